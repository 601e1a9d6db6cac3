/** `bun run docs`: writes docs from the closed lists of codes. A test says when one is stale. */
import { join } from "node:path";
import { FINDINGS } from "../app/doctor/findings.ts";
import { CODES, type CodeEntry } from "../shards/domain/codes.ts";

export const ERRORS_PATH = join(import.meta.dir, "ERRORS.md");
export const DOCTOR_PATH = join(import.meta.dir, "DOCTOR.md");

const EFFECTS = {
  none: "No.",
  stored: "The refusal was stored; it is given again for the same client order id.",
  unknown: "Not known. Ask again with the same client order id: that answer is certain.",
} as const satisfies Record<CodeEntry["effect"], string>;

const row = ([code, { status, title, effect }]: [string, CodeEntry]): readonly string[] => [
  `\`${code}\``,
  String(status),
  title,
  EFFECTS[effect],
];

/** A table with its columns in line, as the formatter wants it. */
const renderTable = (head: readonly string[], rows: readonly (readonly string[])[]): string => {
  const widths = head.map((_, i) => Math.max(...[head, ...rows].map((r) => r[i]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(" | ")} |`;
  return [head, widths.map((width) => "-".repeat(width)), ...rows].map(line).join("\n");
};

const HEAD = ["Code", "Status", "Meaning", "Did anything happen?"];

/** The text of docs/ERRORS.md. */
export const renderErrors = (): string =>
  `# Errors

Generated from \`shards/domain/codes.ts\` by \`bun run docs\`; do not edit.

Every error is \`application/problem+json\` (RFC 9457) with \`type\`, \`title\`, \`status\`, \`code\`,
\`detail\`, \`requestId\`, and \`context\` or \`errors\`. Programs decide by \`code\`, which is one of the
list below; \`detail\` is a sentence for people. A running api shows the same list at \`/docs/errors\`.

\`invalid_request\` names each refused field in \`errors\`. 429 and 503 carry \`Retry-After\`. A stored
refusal has no \`requestId\` in its body, because that body is the same on every replay; the header
\`Request-Id\` has this request's. Refusals are stored for placements only: an amendment that breaks
the same rule gets the same code, and nothing is stored. An answer of the HTTP parser itself (a
malformed head) has no body.

${renderTable(HEAD, Object.entries(CODES).map(row))}
`;

const findingRow = ([code, { severity, why, fix }]: [
  string,
  (typeof FINDINGS)[keyof typeof FINDINGS],
]): readonly string[] => [`\`${code}\``, severity, why, fix];

const DOCTOR_EXITS = [
  ["0", "no problem; there may be warnings"],
  ["1", "a problem: each is printed with why and the way out"],
  ["2", "wrong use or a wrong setting, as for every command"],
];

/** The text of docs/DOCTOR.md. */
export const renderDoctor = (): string =>
  `# Doctor

Generated from \`app/doctor/findings.ts\` by \`bun run docs\`; do not edit.

\`sluice doctor\` looks at this host, the api, its shards, the broker, MySQL or the embedded central
store, and Redis, all at once; what does not answer within 3 s is named as such and holds up nothing
else. It changes nothing. It takes the settings of the running system: the same environment or
\`--config\`; \`--api URL\` where the api is elsewhere, \`--token\` (scope \`admin\`) where no secret is
configured to sign one. Run it on a host that has the data folder.

${renderTable(["Exit code", "Means"], DOCTOR_EXITS)}

A problem breaks a promise or keeps orders from central, now or at the next failure. A warning will
if nobody looks.

\`--json\` prints one object: \`schema\` (1; raised when a field goes or changes its meaning), \`at\`
(milliseconds since 1970), \`problems\` and \`warnings\` (how many), \`checks\`, \`lag\`. A check has
\`check\` (its name), \`status\` (\`ok\`, \`skipped\`, \`warning\`, \`problem\`), \`seen\` (what was seen, or
why nothing was looked at), and \`findings\` with \`code\`, \`severity\`, \`what\`, \`why\`, \`fix\`. \`lag\` has
\`partition\`, \`records\` that central has not read, and \`ms\`, the age of the oldest of them within some
5 %, null when the broker does not say. Programs decide by \`code\`.

${renderTable(["Code", "Severity", "Means", "Way out"], Object.entries(FINDINGS).map(findingRow))}

## Quarantine

\`sluice quarantine list [--json]\` shows the streams that central has stopped and the topic's records
that it put aside, each with what to do.

A stopped stream goes on by itself when the one record comes that continues its chain. So \`sluice
resend --shard NAME\` heals it: the shard sends again everything that central lacks, including what
was lost, altered, or could not be read or stored before. Nothing is skipped.

\`sluice quarantine retry --partition P [--shard NAME]\` is for records that no stream could be told
of, after an upgrade that can read them: it sets central's position in that partition back to the
first of them, and appliers read on from there. What central has is dropped as a duplicate; what still
can't be read is put aside again.
`;

if (import.meta.main) {
  await Bun.write(ERRORS_PATH, renderErrors());
  await Bun.write(DOCTOR_PATH, renderDoctor());
}
