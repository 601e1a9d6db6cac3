import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { ROOT, runProcess } from "../support/processes.ts";
import {
  countLine,
  environmentOf,
  faultOf,
  PLAIN_RUN,
  parseSummary,
  SERVICES_RUN,
  type SuiteEnd,
  suitesOf,
} from "../support/run-tests.ts";

const good: SuiteEnd = {
  summary: { passed: 3, failed: 0, skipped: 0, files: 2 },
  files: 2,
  exitCode: 0,
  timedOut: false,
  leftProcesses: false,
};

describe("the summary of a suite", () => {
  test("counts skipped and todo together and takes the files from the last line", () => {
    const stderr =
      "app/a.test.ts:\n(pass) 7 fail\n\n 2 pass\n 1 skip\n 1 todo\n 2 fail\n 1 error\n" +
      " 2 expect() calls\nRan 6 tests across 3 files. [3.02s]\n";
    expect(parseSummary(stderr)).toEqual({ passed: 2, failed: 2, skipped: 2, files: 3 });
  });

  test("does not take a test's own output for a count", () => {
    const stderr = " 90 pass\n\n 1 pass\n 0 fail\nRan 1 test across 1 file. [2.00ms]\n";
    expect(parseSummary(stderr)).toEqual({ passed: 1, failed: 0, skipped: 0, files: 1 });
  });

  test("is missing when the process ended before it", () => {
    expect(parseSummary("app/a.test.ts:\n(pass) one\n")).toBeUndefined();
  });
});

describe("a suite's end counts a failure more", () => {
  const cases: readonly (readonly [string, Partial<SuiteEnd>])[] = [
    ["ran out of time", { timedOut: true }],
    ["ended without a summary, exit code 0", { summary: undefined }],
    ["ran no test", { summary: { passed: 0, failed: 0, skipped: 4, files: 2 } }],
    ["ran 2 of its 3 test files", { files: 3 }],
    ["ended with exit code 1 and no failed test", { exitCode: 1 }],
    ["left a process running", { leftProcesses: true }],
  ];
  for (const [fault, end] of cases) {
    test(`when it ${fault}`, () => {
      expect(faultOf({ ...good, ...end })).toBe(fault);
    });
  }

  test("never when it ended well, nor twice for a failed test", () => {
    expect(faultOf(good)).toBe("");
    const failed = { passed: 2, failed: 1, skipped: 0, files: 2 };
    expect(faultOf({ ...good, summary: failed, exitCode: 1 })).toBe("");
  });
});

test("a folder becomes a suite by having test files, and required ones stay without", () => {
  const files = ["bench/a.test.ts", "tests/system/b.test.ts", "app/http/c.test.ts"];
  const suites = suitesOf(PLAIN_RUN, files);
  expect(Object.fromEntries(suites)).toEqual({
    app: ["app/http/c.test.ts"],
    shards: [],
    "tests/tooling": [],
    "tests/contract": [],
    "tests/system": ["tests/system/b.test.ts"],
    bench: ["bench/a.test.ts"],
  });
});

test("the counting line names skipped tests only when there are any", () => {
  expect(countLine({ passed: 5, failed: 1, skipped: 0 })).toBe("5 passed, 1 failed");
  expect(countLine({ passed: 5, failed: 0, skipped: 2 })).toBe("5 passed, 0 failed, 2 skipped");
});

describe("tests that need services", () => {
  const files = ["app/a.test.ts", "app/b.services.test.ts", "tests/system/services.test.ts"];

  test("are left out of a plain run", () => {
    const ran = [...suitesOf(PLAIN_RUN, files).values()].flat();
    expect(ran).toEqual(["app/a.test.ts", "tests/system/services.test.ts"]);
  });

  test("are in a run with --services, and its own suite cannot be missing", () => {
    const run = { ...SERVICES_RUN, alsoOnServices: [] };
    expect(Object.fromEntries(suitesOf(run, files))).toEqual({
      "tests/services": [],
      app: ["app/b.services.test.ts"],
    });
  });

  test("stand beside plain files that run again, in suites of their own", () => {
    const again = ["tests/system/kill.test.ts", "tests/contract/gone.test.ts"];
    const run = { ...SERVICES_RUN, alsoOnServices: again };
    const found = [...files, "tests/system/kill.test.ts", "tests/system/a.services.test.ts"];
    expect(Object.fromEntries(suitesOf(run, found))).toEqual({
      "tests/services": [],
      app: ["app/b.services.test.ts"],
      "tests/system": ["tests/system/a.services.test.ts"],
      "tests/system on services": ["tests/system/kill.test.ts"],
      "tests/contract on services": ["tests/contract/gone.test.ts"],
    });
    expect(environmentOf("tests/system on services").SLUICE_TEST_ON).toBe("services");
    expect(environmentOf("tests/system").SLUICE_TEST_ON).toBeUndefined();
    expect([...suitesOf(PLAIN_RUN, found).keys()].filter((suite) => / on /.test(suite))).toEqual(
      [],
    );
  });

  test.each([...SERVICES_RUN.alsoOnServices])("run %s again, which is there", async (file) => {
    expect(PLAIN_RUN.isOurs(file)).toBe(true);
    expect(await Bun.file(join(ROOT, file)).exists()).toBe(true);
  });

  test("do not run without services; what starts them is named", async () => {
    const { REDIS_URL: _, ...environment } = process.env as Record<string, string>;
    const { exitCode, stdout, stderr } = await runProcess(
      [process.execPath, join(ROOT, "tests/support/run-tests.ts"), "--services"],
      { environment: { ...environment, KAFKA_BROKERS: "127.0.0.1:1", MYSQL_URL: "mysql://x/y" } },
    );
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "\n0 passed, 1 failed\n" });
    expect(stderr).toMatch(/^REDIS_URL not set: .*deploy\/local\/services up/);
  });
});
