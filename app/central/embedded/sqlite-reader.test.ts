import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../../shards/process/clock.ts";
import { describeReader } from "../../../tests/support/reader-suite.ts";
import { openSqliteReader } from "./sqlite-reader.ts";
import { openSqliteStore } from "./sqlite-store.ts";

describeReader("the embedded store", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sluice-reader-"));
  const path = join(folder, "central.sqlite");
  const store = openSqliteStore(path, systemClock);
  const reader = openSqliteReader(path);
  return {
    store,
    reader,
    end: async () => {
      await reader.close();
      store.close();
      rmSync(folder, { recursive: true });
    },
  };
});

test("a central file that is missing is named, with the settings that choose another", () => {
  expect(() => openSqliteReader("/nowhere/central.sqlite")).toThrow(
    /\/nowhere\/central\.sqlite is missing.*--data-dir.*MYSQL_URL/,
  );
});
