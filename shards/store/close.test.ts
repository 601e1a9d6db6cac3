import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { openFile, temporaryFolder } from "../../tests/support/shard-file.ts";
import { PARTITIONS, place } from "../../tests/support/shard-state.ts";
import { openForReading } from "./open.ts";

const tenOrders = Array.from({ length: 10 }, (_, i) => place({ clientOrderId: `a-${i}` }));

describe("a close", () => {
  test("leaves one whole file", async () => {
    const path = join(temporaryFolder().path, "shard1.sqlite");
    const file = await openFile(path);
    file.run(tenOrders);
    expect(file.store.close()).toBe(true);
    expect(Bun.file(`${path}-wal`).size).toBe(0);
  });

  test("tells that the log stays when somebody reads it", async () => {
    const path = join(temporaryFolder().path, "shard1.sqlite");
    const file = await openFile(path);
    const reader = openForReading(path);
    reader.exec("BEGIN");
    reader.query("SELECT count(*) FROM orders").values();
    file.run(tenOrders);
    expect(file.store.close()).toBe(false);
    reader.close();
    const again = await openFile(path);
    expect(again.loaded.commitSeq).toBe(PARTITIONS + 10);
    again.close();
  });
});
