import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { DAY_MS, temporaryFolder } from "../../../tests/support/shard-file.ts";
import {
  BTC,
  openStored,
  type StoredRisk,
  storedPosition,
} from "../../../tests/support/stored-risk.ts";
import type { InstrumentSymbol } from "../../domain/brands.ts";
import { CommitError } from "../../process/commit-error.ts";
import { loadRisk } from "./risk-rows.ts";

const ETH = "ETHUSDT" as InstrumentSymbol;
const path = (): string => join(temporaryFolder().path, "shard1.sqlite");
const seen = (executionId: string, symbol = BTC) => ({ executionId, symbol });
const countOf = ({ database }: StoredRisk): number =>
  Number(database.query("SELECT count(*) FROM execution").values()[0]?.[0]);

describe("an execution that was seen", () => {
  test("is known by its symbol and id, also after a restart", async () => {
    const file = path();
    const stored = await openStored(file);
    stored.commit(stored.batchOf({ executions: [seen("1"), seen("2"), seen("1", ETH)] }));
    stored.close();
    const { store } = await openStored(file);
    const known = [seen("1"), seen("2"), seen("3"), seen("1", ETH), seen("2", ETH)];
    expect(known.map(({ symbol, executionId }) => store.hasExecution(symbol, executionId))).toEqual(
      [true, true, false, true, false],
    );
    store.close();
  });

  test("takes a batch back that applies it once more", async () => {
    const stored = await openStored(path());
    stored.commit(stored.batchOf({ executions: [seen("1")] }));
    const again = stored.batchOf({ executions: [seen("1")], positions: [storedPosition()] });
    expect(() => stored.commit(again)).toThrow(CommitError);
    expect(loadRisk(stored.database).positions).toEqual([]);
    stored.close();
  });

  test("is forgotten once the outcomes of its time are, and no earlier", async () => {
    const stored = await openStored(path());
    const { store } = stored;
    const start = stored.now;
    stored.commit(stored.batchOf({ executions: [seen("old")] }));
    stored.now = start + 1;
    stored.commit(stored.batchOf({ executions: [seen("young")] }));
    stored.now = start + DAY_MS - 1;
    stored.commit(stored.batchOf(null));
    expect(store.hasExecution(BTC, "old")).toBe(true);
    // It is looked for once a second.
    stored.now = start + DAY_MS + 999;
    stored.commit(stored.batchOf({ executions: [seen("new")] }));
    expect(["old", "young", "new"].map((id) => store.hasExecution(BTC, id))).toEqual([
      false,
      false,
      true,
    ]);
    stored.close();
  });

  test("goes with later batches when there are more than one batch may delete", async () => {
    const stored = await openStored(path());
    stored.commit(
      stored.batchOf({ executions: Array.from({ length: 200 }, (_, i) => seen(String(i))) }),
    );
    stored.now += DAY_MS + 1_000;
    const counts = Array.from({ length: 5 }, () => {
      stored.commit(stored.batchOf(null));
      stored.now++;
      return countOf(stored);
    });
    expect(counts).toEqual([136, 72, 8, 0, 0]);
    stored.close();
  });
});
