/** `bun run docs`: writes docs/ERRORS.md from the closed list of codes. A test says when it is stale. */
import { join } from "node:path";
import { CODES, type CodeEntry } from "../shards/domain/codes.ts";

export const ERRORS_PATH = join(import.meta.dir, "ERRORS.md");

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

if (import.meta.main) await Bun.write(ERRORS_PATH, renderErrors());
