/** The fixtures are what `bun run bench order-entry group-commit --quick` wrote. */
import { afterAll, describe, expect, test } from "bun:test";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { CHART_KINDS, type Chart } from "../support/chart.ts";
import type { SavedReport } from "../support/report.ts";
import { drawChart, FORMS, type Form, numberText } from "./draw.ts";
import { renderPage } from "./page.ts";
import { readReports } from "./saved.ts";
import { type WrittenReport, writeReport } from "./write.ts";

const FIXTURES = join(import.meta.dir, "fixtures");
const folder = mkdtempSync(join(tmpdir(), "sluice-report-"));
cpSync(FIXTURES, folder, { recursive: true });
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const reports = readReports(FIXTURES);
const first = reports[0] as SavedReport;
const charts = reports.flatMap(({ charts: some = [] }) => some);
const forms = Object.keys(FORMS) as Form[];

const escaped = (text: string): string =>
  text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");

describe("the page", () => {
  test("has every headline with its verdict, every cell, every condition", async () => {
    const page = await renderPage(reports);
    for (const { headlines, tables, conditions, warnings, machine, commit } of reports) {
      for (const { value, what, target } of headlines) {
        for (const text of [value, what, target]) expect(page).toContain(escaped(text));
      }
      for (const { columns, rows } of tables) {
        for (const column of columns)
          expect(page).toContain(`<th scope="col">${escaped(column)}</th>`);
        for (const cell of rows.flat()) expect(page).toContain(`<td>${escaped(String(cell))}</td>`);
      }
      for (const value of Object.values(conditions)) {
        if (typeof value === "string") expect(page).toContain(escaped(value));
      }
      for (const text of [...warnings, machine.cpu, commit]) expect(page).toContain(escaped(text));
    }
    expect(page).toContain("✗ not met");
    expect(page).toContain("no verdict");
  });

  test("shows a benchmark that nobody has heard of", async () => {
    const unknown: SavedReport = {
      ...first,
      name: "tea",
      about: "how long a cup takes",
      headlines: [{ value: "4 min", what: "until it is drawn", target: "under 5 min", met: true }],
      tables: [{ columns: ["leaf", "minutes"], rows: [["green", 2]] }],
      charts: [],
      conditions: { water: "from the tap" },
      warnings: [],
      runs: [],
    };
    const page = await renderPage([unknown]);
    for (const text of [
      "4 min",
      "✓ met",
      "<td>green</td>",
      "from the tap",
      'href="#tea"',
      "1 of 1 ",
    ])
      expect(page).toContain(text);
  });

  test("shows text of a result as text", async () => {
    const nasty = "<script>alert(1)</script>";
    const page = await renderPage([
      {
        ...first,
        warnings: [nasty],
        tables: [{ columns: [nasty], rows: [[nasty]] }],
        charts: charts.slice(0, 1).map((chart) => ({ ...chart, title: nasty, caption: nasty })),
      },
    ]);
    expect(page).not.toContain("<script");
  });

  test("says that a quick look is none to quote", async () => {
    expect(first.conditions.quick).toBe(true);
    expect(await renderPage([first])).toContain("not to be quoted");
    const whole = { ...first, conditions: { ...first.conditions, quick: false } };
    expect(await renderPage([whole])).not.toContain("not to be quoted");
  });
});

describe("a drawing", () => {
  test("is there for each kind of chart in the fixtures", () => {
    expect([...new Set(charts.map(({ kind }) => kind))].toSorted()).toEqual(
      [...CHART_KINDS].toSorted(),
    );
  });

  const textOf = (chart: Chart, form: Form): readonly string[] =>
    [...drawChart(chart, form, "x").matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(
      ([, text = ""]) => text,
    );
  const filled = (chart: Chart, form: Form): number =>
    [...drawChart(chart, form, "x").matchAll(/<path [^>]*(?:fill|stroke)="var\(--series-\d\)"/g)]
      .length;

  test.each(
    charts.flatMap((chart) => forms.map((form) => [chart.id, chart.kind, form, chart] as const)),
  )("%s (%s, %s) has its series, its names and a mark for its data", (_, __, form, chart) => {
    const text = textOf(chart, form).join(" ").replaceAll(/ +/g, " ");
    const along = chart.series.flatMap(({ points }) => points.map(([x]) => x));
    const names = along.filter((x) => typeof x === "string");
    const legend = chart.series.length > 1 ? chart.series.map(({ name }) => name) : [];
    for (const name of [...names, ...legend]) expect(text).toContain(escaped(name));
    const empty: Chart = {
      ...chart,
      series: chart.series.map(({ name, points }) => ({
        name,
        points: points.map(([x]) => [x, null] as const),
      })),
    };
    const drawn = filled(chart, form) - filled(empty, form);
    const points = chart.series.flatMap((one) => one.points).filter(([, y]) => y !== null);
    expect(drawn).toBeGreaterThanOrEqual(points.length);
  });

  test("changes with its data", () => {
    const [chart] = charts as [Chart];
    const doubled: Chart = {
      ...chart,
      series: chart.series.map((one, i) =>
        i > 0 ? one : { ...one, points: one.points.map(([x, y]) => [x, (y ?? 0) * 2] as const) },
      ),
    };
    expect(drawChart(doubled, "wide", "x")).not.toBe(drawChart(chart, "wide", "x"));
  });

  test("leaves out what a logarithm does not have", () => {
    const chart: Chart = {
      id: "zero",
      title: "zero",
      caption: "zero",
      kind: "lines",
      x: { label: "x", scale: "log" },
      y: { label: "y", scale: "log" },
      series: [
        {
          name: "one",
          points: [
            [0, 1],
            [1, 0],
            [10, 5],
            [100, null],
            [1000, 7],
          ],
        },
      ],
    };
    expect(drawChart(chart, "wide", "x")).not.toMatch(/NaN|Infinity|undefined/);
  });

  test.each([
    [1234567, "1 234 567"],
    [26204.26, "26 204"],
    [28.913, "28.9"],
    [0.0123, "0.0123"],
    [20, "20"],
    [0, "0"],
    [null, ""],
  ] as const)("says %p as %p", (value, text) => {
    expect(numberText(value)).toBe(text);
  });
});

describe("a folder of results", () => {
  test("names the file that is no result, and why", () => {
    const bad = mkdtempSync(join(tmpdir(), "sluice-report-"));
    try {
      expect(() => readReports(bad)).toThrow("holds no JSON");
      writeFileSync(join(bad, "x.json"), JSON.stringify({ ...first, headlines: [{ value: 1 }] }));
      expect(() => readReports(bad)).toThrow(
        /x\.json is no result of a benchmark: .*headlines\[0\]/s,
      );
      writeFileSync(join(bad, "x.json"), "{");
      expect(() => readReports(bad)).toThrow(/x\.json is no result/);
      expect(() => readReports(join(bad, "nowhere"))).toThrow("is not there");
    } finally {
      rmSync(bad, { recursive: true, force: true });
    }
  });

  test("may hold results of before there were charts, and numbers that JSON does not have", () => {
    const old = mkdtempSync(join(tmpdir(), "sluice-report-"));
    try {
      const { charts: _, about: __, ...before } = first;
      const tables = [{ columns: ["a", "b"], rows: [["x", Number.NaN]] }];
      writeFileSync(join(old, "x.json"), JSON.stringify({ ...before, tables }));
      const [read] = readReports(old);
      expect(read?.charts).toEqual([]);
      expect(read?.tables[0]?.rows).toEqual([["x", "-"]]);
    } finally {
      rmSync(old, { recursive: true, force: true });
    }
  });
});

describe("in a browser, from the disk", () => {
  let browser: Browser | undefined;
  let written: WrittenReport | undefined;
  afterAll(async () => {
    await browser?.close();
  });

  const open = async (
    width: number,
    colorScheme: "light" | "dark",
    file: (report: WrittenReport) => string = ({ page }) => page,
  ): Promise<{ page: Page; asked: string[]; wrong: string[] }> => {
    browser ??= await chromium.launch({
      executablePath: "/usr/bin/chromium",
      args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
    });
    written ??= await writeReport(folder);
    const page = await browser.newPage({ viewport: { width, height: 800 }, colorScheme });
    const asked: string[] = [];
    const wrong: string[] = [];
    page.on("request", (request) => asked.push(request.url()));
    page.on("pageerror", (error) => wrong.push(error.message));
    page.on("console", (message) => wrong.push(message.text()));
    await page.goto(`file://${file(written)}`);
    return { page, asked, wrong };
  };

  const shown = (page: Page, selector: string): Promise<number> =>
    page.$$eval(selector, (all) => all.filter((one) => one.getClientRects().length > 0).length);
  const paper = (page: Page): Promise<string> =>
    page.evaluate("getComputedStyle(document.body).backgroundColor");

  test.each([
    [1280, "wide", "narrow"],
    [360, "narrow", "wide"],
  ] as const)(
    "%d pixels show the %s drawings, all that fits, and ask for nothing",
    async (width, form, other) => {
      const { page, asked, wrong } = await open(width, "light");
      expect(await shown(page, `figure .${form}`)).toBe(charts.length);
      expect(await shown(page, `figure .${other}`)).toBe(0);
      const [scroll, client] = await page.$eval("html", (one) => [
        one.scrollWidth,
        one.clientWidth,
      ]);
      expect(scroll).toBe(client as number);
      const labels = await page.$$eval("figure [role=img]", (all) =>
        all.map((one) => one.getAttribute("aria-label") ?? ""),
      );
      expect(labels).toEqual(charts.map(({ title, caption }) => `${title}. ${caption}`));
      expect(await page.$$eval("script, link, iframe, img, object", (all) => all.length)).toBe(0);
      expect(asked).toEqual([page.url()]);
      expect(wrong).toEqual([]);
      await page.close();
    },
  );

  test("every link of the contents and the cards leads somewhere", async () => {
    const { page } = await open(1280, "light");
    const targets = await page.$$eval("a[href^='#']", (links) =>
      links.map((link) => (link.getAttribute("href") ?? "").slice(1)),
    );
    const ids = await page.$$eval("[id]", (all) => all.map((one) => one.id));
    expect(targets.filter((to) => !ids.includes(to))).toEqual([]);
    expect(new Set(ids).size).toBe(ids.length);
    expect(await page.$$eval("nav a", (links) => links.length)).toBe(reports.length + 1);
    await page.close();
  });

  test("dark readers get a dark page and drawings in its colours", async () => {
    const [light, dark] = [await open(1280, "light"), await open(1280, "dark")];
    expect(await paper(light.page)).toBe("rgb(255, 255, 255)");
    expect(await paper(dark.page)).toBe("rgb(18, 22, 28)");
    const ink = (page: Page): Promise<string> =>
      page.evaluate("getComputedStyle(document.querySelector('figure .wide text')).fill");
    expect(await ink(light.page)).not.toBe(await ink(dark.page));
    await light.page.close();
    await dark.page.close();
  });

  test("the drawings that are files are whole, and say what they show", async () => {
    const main = charts.filter(({ isMain }) => isMain === true);
    const { page, wrong } = await open(1280, "dark", ({ drawings }) => drawings[0] ?? "");
    expect(written?.drawings).toHaveLength(main.length);
    expect(await page.$eval("title", (title) => title.textContent)).toBe(main[0]?.title ?? "");
    expect(wrong).toEqual([]);
    for (const file of written?.drawings ?? []) {
      // Names of namespaces are no addresses to be asked.
      const text = readFileSync(file, "utf8").replaceAll(/ xmlns(:\w+)?="[^"]*"/g, "");
      expect(text).not.toMatch(/https?:|<script|href=/);
      expect(new Set(text.match(/id="[^"]*"/g)).size).toBe(text.match(/id="[^"]*"/g)?.length ?? 0);
    }
    await page.close();
  });
});
