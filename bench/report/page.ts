/**
 * One page of any reports: self-contained, no script, nothing from the network. It knows no
 * benchmark by name; what one wants to be drawn is in its report.
 */
import { html, raw } from "hono/html";
import type { Chart } from "../support/chart.ts";
import type { Headline, SavedReport, Table } from "../support/report.ts";
import { drawChart, FORMS, type Form } from "./draw.ts";
import { STYLE } from "./style.ts";

type Html = ReturnType<typeof html>;

export const renderPage = async (reports: readonly SavedReport[]): Promise<string> => {
  const headlines = reports.flatMap((report) =>
    report.headlines.map((headline) => ({ report, headline })),
  );
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sluice: benchmarks of ${spanOf(reports)}</title>
<style>${raw(STYLE)}</style>
</head>
<body>
<header>
<h1>What Sluice does, against what it could do</h1>
<p>${spanOf(reports)}, commit ${commitsOf(reports)}. ${machinesOf(reports)}</p>
<p class="soft">Ratios compare runs of the same minutes on the same machine; absolute numbers of a small
machine repeat within some ±40 %. <code>bench/README.md</code> says what is measured and what is not.</p>
</header>
<nav aria-label="Contents"><ul>
<li><a href="#glance">At a glance</a></li>
${reports.map(({ name }) => html`<li><a href="#${name}">${name}</a></li>`)}
</ul></nav>
<main>
<section aria-labelledby="glance">
<h2 id="glance">At a glance</h2>
<p>${tallyOf(headlines.map(({ headline }) => headline))}</p>
<ul class="cards">${headlines.map(({ report, headline }) => card(headline, sourceOf(report)))}</ul>
</section>
${reports.map(section)}
</main>
</body>
</html>
`;
  return String(await page);
};

const unique = (texts: readonly string[]): readonly string[] => [...new Set(texts)];

const dayOf = ({ startedAt }: SavedReport): string => startedAt.slice(0, 10);
const minuteOf = ({ startedAt }: SavedReport): string =>
  `${startedAt.slice(0, 10)} ${startedAt.slice(11, 16)} UTC`;

const spanOf = (reports: readonly SavedReport[]): string => {
  const days = unique(reports.map(dayOf)).toSorted();
  return days.length > 1 ? `${days[0]} to ${days.at(-1)}` : (days[0] ?? "");
};

const commitOf = ({ commit, changed }: SavedReport): string =>
  changed ? `${commit} with changes` : commit;

const commitsOf = (reports: readonly SavedReport[]): string =>
  unique(reports.map(commitOf)).join(", ");

const machineOf = ({ machine }: SavedReport): string =>
  `${machine.cores} cores of ${machine.cpu}, ${machine.memoryGiB} GiB, Linux ${machine.kernel}, ` +
  `Bun ${machine.bun}, SQLite ${machine.sqlite}`;

const machinesOf = (reports: readonly SavedReport[]): string => {
  const machines = unique(reports.map(machineOf));
  const where =
    machines.length > 1 ? `${machines.length} machines, see each benchmark` : machines[0];
  return `Generator and all processes on one machine: ${where}.`;
};

const isQuick = ({ conditions }: SavedReport): boolean => conditions.quick === true;

const VERDICTS = {
  true: { sign: "✓ met", kind: "met" },
  false: { sign: "✗ not met", kind: "not-met" },
  null: { sign: "no verdict", kind: "no-verdict" },
} as const;

const verdictOf = ({ met }: Headline) => VERDICTS[`${met}`];

const tallyOf = (headlines: readonly Headline[]): string => {
  const count = (met: boolean | null): number => headlines.filter((one) => one.met === met).length;
  return (
    `${count(true)} of ${count(true) + count(false)} targets met` +
    (count(null) > 0 ? `; ${count(null)} without a target or without valid runs.` : ".")
  );
};

/** With where it comes from where it stands beside those of others. */
const card = (headline: Headline, source: Html | "" = ""): Html => {
  const { sign, kind } = verdictOf(headline);
  return html`<li class="card ${kind}">
<div class="value">${headline.value}</div>
<div>${headline.what}</div>
<div><span class="verdict">${sign}</span> <span class="soft">${headline.target}</span></div>
${source}</li>
`;
};

const sourceOf = (report: SavedReport): Html =>
  html`<div class="soft"><a href="#${report.name}">${report.name}</a>, ${shortConditionsOf(report)}</div>
`;

/** Those that most benchmarks have, where this one has them. */
const SHORT = [
  ["connections", (n: number) => `${n} connections`],
  ["rounds", (n: number) => (n === 1 ? "1 round" : `${n} rounds`)],
  ["seconds", (n: number) => `${n} s a run`],
] as const;

const shortConditionsOf = (report: SavedReport): string => {
  const { conditions } = report;
  const found = SHORT.flatMap(([name, say]) => {
    const value = conditions[name];
    return typeof value === "number" ? [say(value)] : [];
  });
  const quick = isQuick(report) ? ["a quick look, not to be quoted"] : [];
  const warned = report.warnings.length > 0 ? ["with warnings"] : [];
  return [minuteOf(report), ...found, ...quick, ...warned].join(", ");
};

const section = (report: SavedReport): Html => {
  const { name, about, headlines, charts = [], tables, warnings, conditions } = report;
  return html`<section aria-labelledby="${name}">
<h2 id="${name}">${name}</h2>
${about === undefined ? "" : html`<p>${about.charAt(0).toUpperCase()}${about.slice(1)}.</p>`}
<p class="soft">${minuteOf(report)}, commit ${commitOf(report)}. ${machineOf(report)}.</p>
${isQuick(report) ? html`<p class="warning">A quick look with small numbers: not to be quoted.</p>` : ""}
${warnings.map((warning) => html`<p class="warning">${warning}</p>`)}
<ul class="cards">${headlines.map((headline) => card(headline))}</ul>
${charts.map((chart) => figure(name, chart))}
<h3>Numbers</h3>
${tables.map((table, i) => tableOf(table, `${name}, table ${i + 1}`))}
<details><summary>Conditions</summary>${listOf(conditions)}</details>
<p class="soft">Every single run: <a href="${name}.json">${name}.json</a></p>
</section>
`;
};

const figure = (report: string, chart: Chart): Html => {
  const forms = Object.keys(FORMS) as Form[];
  const drawings = forms.map((form) => {
    const drawing = drawChart(chart, form, `${report}-${chart.id}-${form}`);
    return html`<div class="${form}">${raw(drawing)}</div>`;
  });
  return html`<h3 id="${report}-${chart.id}">${chart.title}</h3>
<figure>
<div role="img" aria-label="${chart.title}. ${chart.caption}">${drawings}</div>
<figcaption>${chart.caption}</figcaption>
</figure>
`;
};

const tableOf = (
  { columns, rows }: Table,
  label: string,
): Html => html`<div class="scroll" tabindex="0" role="region" aria-label="${label}"><table>
<thead><tr>${columns.map((column) => html`<th scope="col">${column}</th>`)}</tr></thead>
<tbody>${rows.map((row) => html`<tr>${row.map((cell) => html`<td>${String(cell)}</td>`)}</tr>`)}</tbody>
</table></div>
`;

/** Conditions as they were written; what is inside one of them is a list of its own. */
const listOf = (conditions: Readonly<Record<string, unknown>>): Html => html`<dl>
${Object.entries(conditions).map(([name, value]) => html`<dt>${wordsOf(name)}</dt><dd>${shown(value)}</dd>`)}
</dl>`;

/** `warmUpSeconds` is `warm up seconds`; settings keep their names. */
const wordsOf = (name: string): string =>
  /^[a-z]+([A-Z][a-z]+)+$/.test(name)
    ? name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
    : name;

const shown = (value: unknown): Html | string => {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return listOf(value as Readonly<Record<string, unknown>>);
  }
  return typeof value === "string" ? value : JSON.stringify(value);
};
