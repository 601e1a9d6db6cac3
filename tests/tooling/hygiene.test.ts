import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { Glob } from "bun";

const LINES_MAX = 400;

interface Rule {
  readonly name: string;
  readonly appliesTo: (file: string) => boolean;
  readonly isBroken: (text: string) => boolean;
  /** A file and a text that break the rule, and a file where the same text is allowed. */
  readonly proof: readonly [file: string, text: string, allowedIn: string];
}

const isTest = (file: string): boolean => file.endsWith(".test.ts");
const readsEnvironment = (file: string): boolean =>
  isTest(file) ||
  /^(bench|tests)\//.test(file) ||
  /\/config[a-z-]*\.ts$/.test(file) ||
  file === "app/build.ts";

const rules: readonly Rule[] = [
  {
    name: `has at most ${LINES_MAX} lines`,
    appliesTo: (file) => !file.endsWith(".d.ts"),
    isBroken: (text) => text.trimEnd().split("\n").length > LINES_MAX,
    proof: ["app/x.ts", "x\n".repeat(LINES_MAX + 1), "app/x.d.ts"],
  },
  {
    name: "leaves no test out and runs none alone",
    appliesTo: isTest,
    isBroken: (text) => /\b(test|it|describe)(\.\w+)*\.(only|skip|todo)\b/.test(text),
    proof: ["app/x.test.ts", ["describe", "only", 'each([])("x")'].join("."), "app/x.ts"],
  },
  {
    name: "reads the environment in config files only",
    appliesTo: (file) => !readsEnvironment(file),
    isBroken: (text) => /\b(process|Bun|import\.meta)\.env\b/.test(text),
    proof: ["app/http/server.ts", "const port = process.env.PORT;", "shards/config.ts"],
  },
  {
    name: "has no default export",
    appliesTo: (file) => !file.endsWith(".d.ts"),
    isBroken: (text) => /^export default\b|^export \{[^}]*\bas default\b/m.test(text),
    proof: ["app/x.ts", "export default 1;", "app/x.d.ts"],
  },
];

const sources = (): string[] =>
  [...new Glob("{app,shards,migrations,bench,tests}/**/*.ts").scanSync(".")]
    .filter((file) => !/(^|\/)(fixtures|node_modules)\/|^bench\/results\//.test(file))
    .toSorted();

describe("every TypeScript file of the repository", () => {
  const files = sources();

  test("is looked at", () => {
    expect(files).toContain("tests/tooling/hygiene.test.ts");
    expect(files.some((file) => file.startsWith("shards/"))).toBe(true);
  });

  for (const { name, appliesTo, isBroken, proof } of rules) {
    test(name, () => {
      const broken = files.filter((f) => appliesTo(f) && isBroken(readFileSync(f, "utf8")));
      expect(broken).toEqual([]);
    });

    test(`${name}: the rule fires where it applies`, () => {
      const [file, text, allowedIn] = proof;
      expect(isBroken(text)).toBe(true);
      expect(appliesTo(file)).toBe(true);
      expect(appliesTo(allowedIn)).toBe(false);
    });
  }
});

test("the lockfile names packages and hashes, no hosts", () => {
  expect(readFileSync("bun.lock", "utf8")).not.toMatch(/https?:\/\//);
});
