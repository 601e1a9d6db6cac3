import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

/** Lints one file by the repository's rules and gives the exit code and what was said. */
const lint = async (text: string): Promise<{ exitCode: number; said: string }> => {
  const root = mkdtempSync(join(tmpdir(), "sluice-lint-"));
  try {
    writeFileSync(join(root, "a.ts"), text);
    writeFileSync(join(root, "b.ts"), "export type Other = number;\n");
    writeFileSync(join(root, "tsconfig.json"), `{ "extends": "${resolve("tsconfig.json")}" }`);
    // The type-aware half of the linter is looked for beside the linted files.
    symlinkSync(resolve("node_modules"), join(root, "node_modules"));
    const child = Bun.spawn(
      [
        resolve("node_modules/.bin/oxlint"),
        "--type-aware",
        "--config",
        resolve(".oxlintrc.json"),
        "a.ts",
      ],
      { cwd: root, stdin: "ignore", stderr: "pipe" },
    );
    const said = (await child.stdout.text()) + (await child.stderr.text());
    return { exitCode: await child.exited, said };
  } finally {
    rmSync(root, { recursive: true });
  }
};

const task = "const task = async (): Promise<void> => {};\n";

test.each([
  ["a promise that nobody awaits", `${task}task();`, "no-floating-promises"],
  [
    "a promise as a condition",
    `${task}if (task()) { console.log("always"); }`,
    "no-misused-promises",
  ],
  ["an await of a plain value", "await 1;\nexport {};", "await-thenable"],
  [
    "a type taken by import(), which the import table cannot see",
    'export type Hidden = import("./b.ts").Other;',
    "consistent-type-imports",
  ],
])("%s is an error", async (_, text, rule) => {
  const { exitCode, said } = await lint(text);
  expect(said).toContain(rule);
  expect(exitCode).toBe(1);
});

test("awaited promises are well", async () => {
  const { exitCode } = await lint(`${task}await task();\nexport {};`);
  expect(exitCode).toBe(0);
});
