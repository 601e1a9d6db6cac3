import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { openFile, temporaryFolder } from "../../tests/support/shard-file.ts";
import { type CheckResult, checkIntegrity } from "./integrity.ts";

const resultOf = (path: string): Promise<CheckResult> =>
  new Promise((resolve) => {
    checkIntegrity(path, resolve);
  });

test("a whole file has no finding", async () => {
  const path = join(temporaryFolder().path, "shard1.sqlite");
  const file = await openFile(path);
  expect(await resultOf(path)).toEqual({ kind: "done", found: null });
  file.close();
});

test("what is no SQLite file is a finding", async () => {
  const path = join(temporaryFolder().path, "shard1.sqlite");
  writeFileSync(path, "not a database".repeat(100));
  expect(await resultOf(path)).toEqual({
    kind: "done",
    found: expect.stringContaining("SQLITE_NOTADB"),
  });
});

test("a file that cannot be opened now is no finding", async () => {
  const path = join(temporaryFolder().path, "nowhere", "shard1.sqlite");
  expect(await resultOf(path)).toEqual({
    kind: "failed",
    reason: expect.stringContaining("SQLITE_CANTOPEN"),
  });
});
