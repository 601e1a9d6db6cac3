import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, cpSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Failure, failureReport, parseFailures, suiteFailure } from "../support/failures.ts";
import {
  endAll,
  environmentWith,
  makeFolder,
  ROOT,
  runProcess,
  startProcess,
} from "../support/processes.ts";

/** What the tests write themselves does not stand in their source, which is shown beside errors. */
const FAILING = `import { describe, expect, test } from "bun:test";
const noise = "error: not the one".replace("not", "NOT");
test("holds", () => console.error(noise));
describe("a thing", () => {
  test("differs", () => {
    console.error(noise);
    expect(1).toBe(2);
  });
  test("hangs", () => new Promise(() => {}), 20);
});
`;
const BROKEN = `import { nothing } from "./missing.ts";
nothing();
`;

afterAll(() => endAll());

/** Files by path; those without an ending can be run. */
const folderWith = (files: Readonly<Record<string, string>>): string => {
  const folder = makeFolder();
  for (const [path, text] of Object.entries(files)) {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    if (!path.includes(".ts")) chmodSync(file, 0o755);
  }
  return folder;
};

const testRun = async (folder: string, variables: Readonly<Record<string, string>> = {}) => {
  const command = [process.execPath, "test", "./a.test.ts", "./b.test.ts"];
  const { stderr } = await runProcess(command, {
    folder,
    environment: environmentWith(variables),
  });
  return stderr;
};

describe("what failed, out of the output of bun test", () => {
  test.each([
    ["plain", {}],
    ["for GitHub", { GITHUB_ACTIONS: "true" }],
    ["in colours", { FORCE_COLOR: "1" }],
  ])("is each failed test and each error outside of one (%s)", async (_, variables) => {
    const folder = folderWith({ "a.test.ts": FAILING, "b.test.ts": BROKEN });
    const failures = parseFailures(await testRun(folder, variables));
    expect(failures.map((failure) => `${failure.file}: ${failure.test}`)).toEqual([
      "a.test.ts: a thing > differs",
      "a.test.ts: a thing > hangs",
      "b.test.ts: (outside of tests)",
    ]);
    const [differs, hangs, broken] = failures.map(({ lines }) => lines.join("\n"));
    expect(differs).toStartWith("2 | const noise");
    expect(differs).toContain("error: expect(received).toBe(expected)\nExpected: 2\nReceived: 1\n");
    expect(differs).not.toContain("NOT the one");
    expect(hangs).toContain("timed out after 20ms");
    expect(broken).toStartWith("error: Cannot find module './missing.ts'");
  });

  test("is nothing when all went well", () => {
    expect(parseFailures("a.test.ts:\n(pass) one [1.00ms]\n\n 1 pass\n 0 fail\n")).toEqual([]);
    expect(failureReport([])).toBe("");
  });
});

describe("the report", () => {
  const failures = (count: number, lines: number): readonly Failure[] =>
    Array.from({ length: count }, (_, n) => ({
      file: "app/a.test.ts",
      test: `number ${n}`,
      lines: Array.from({ length: lines }, (_unused, line) => `line ${line}`),
    }));

  test("names file and test above the error's lines", () => {
    expect(failureReport(failures(2, 1))).toBe(
      "== failed:\napp/a.test.ts: number 0\n    line 0\napp/a.test.ts: number 1\n    line 0\n\n",
    );
  });

  test("has 10 failures and 40 lines of each at most, and says how many more there are", () => {
    const report = failureReport(failures(12, 45)).trimEnd().split("\n");
    expect(report.filter((line) => line.startsWith("app/"))).toHaveLength(10);
    expect(report.filter((line) => line === "    line 39")).toHaveLength(10);
    expect(report).not.toContain("    line 40");
    expect(report.filter((line) => line === "    (5 more lines)")).toHaveLength(10);
    expect(report.at(-1)).toBe("and 2 more");
  });

  test("of a suite that failed as a whole has what it wrote last", () => {
    const stderr = `${Array.from({ length: 100 }, (_, n) => `line ${n}`).join("\n")}\n`;
    const { file, test: name, lines } = suiteFailure("tests/system", "ran out of time", stderr);
    expect([file, name, lines.length, lines.at(-1)]).toEqual([
      "tests/system",
      "ran out of time",
      20,
      "line 99",
    ]);
  });
});

describe("the end of a run", () => {
  test("is what failed, then the counts", async () => {
    const folder = folderWith({ "app/a.test.ts": FAILING });
    const runner = join(ROOT, "tests/support/run-tests.ts");
    const { exitCode, stdout } = await runProcess([process.execPath, runner], { folder });
    expect(exitCode).toBe(1);
    const report = stdout.slice(stdout.lastIndexOf("== failed:"));
    expect(report).toStartWith("== failed:\napp/a.test.ts: a thing > differs\n    2 | const noise");
    expect(report).toContain("\napp/a.test.ts: a thing > hangs\n");
    expect(report).toContain("\nshards: has no test files\n");
    // One test holds, two fail; of the suites that have to be there four are not.
    expect(report).toEndWith("\n\n1 passed, 6 failed\n");
  });

  /** `.ci/run` in a folder where its steps are these scripts, and the services start or do not. */
  const ciRun = async (
    steps: Readonly<Record<"check" | "test" | "test-services", string>>,
    services: string,
  ) => {
    const scripts = Object.entries(steps).map(([name, text]) => [`bin/${name}`, text]);
    const folder = folderWith({
      ...Object.fromEntries(scripts),
      "bin/npx": `#!/usr/bin/env bash\nsource "$(dirname "$0")/$(tr : - <<<"$4")"\n`,
      "bin/apt-get": "#!/usr/bin/env bash\n",
      "deploy/local/services": `#!/usr/bin/env bash\n${services}\n`,
    });
    cpSync(join(ROOT, ".ci"), join(folder, ".ci"), { recursive: true });
    const one = startProcess([join(folder, ".ci/run")], {
      environment: { ...environmentWith({}), PATH: `${folder}/bin:${process.env.PATH}` },
      folder,
    });
    return { exitCode: await one.ended(), stdout: one.stdout() };
  };
  const FAILED = 'echo "== failed:"; echo "app/a: one"; echo; echo "5 passed, 1 failed"; exit 1';

  test("in CI is what failed in all of its steps, then the sum of the counts", async () => {
    const check = "echo app/b.ts: wrong; exit 1";
    const services = 'echo "no space" >&2; [[ $1 == wipe ]]';
    const ended = await ciRun({ check, test: FAILED, "test-services": "" }, services);
    expect(ended.exitCode).toBe(1);
    expect(ended.stdout).toEndWith(
      "\n\n== the check failed\napp/b.ts: wrong\n== failed:\napp/a: one\n\n" +
        "== the services did not start\nno space\n5 passed, 3 failed\n",
    );
  });

  test("in CI has the end of what a step wrote that broke off", async () => {
    const broken = "for n in {1..50}; do echo line $n; done; exit 3";
    const ended = await ciRun({ check: "", test: FAILED, "test-services": broken }, "");
    expect(ended.exitCode).toBe(1);
    const [, report = ""] = ended.stdout.split('\n== "test:services" ended without its counts\n');
    expect(report).toStartWith("line 11\n");
    expect(report).toEndWith("\nline 50\n6 passed, 2 failed\n");
  });

  test("in CI is the counts alone when nothing failed", async () => {
    const steps = { check: "", test: "echo; echo 5 passed, 0 failed" };
    const ended = await ciRun({ ...steps, "test-services": "echo 3 passed, 0 failed" }, "");
    expect(ended).toMatchObject({ exitCode: 0 });
    expect(ended.stdout).toEndWith("\n3 passed, 0 failed\n9 passed, 0 failed\n");
  });
});
