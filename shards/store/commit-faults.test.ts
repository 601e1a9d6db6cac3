import type { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { join } from "node:path";
import { temporaryFolder } from "../../tests/support/shard-file.ts";
import { START_AT } from "../../tests/support/shard-state.ts";
import {
  BTC,
  bankShard,
  changed,
  childOf,
  fullPurse,
  isNew,
  OWNER,
  openStored,
  storedChild,
  storedOrder,
  storedPosition,
  storedTransfer,
  USDT,
} from "../../tests/support/stored-risk.ts";
import type { Bank } from "../domain/escrow/types.ts";
import { CommitError } from "../process/commit-error.ts";
import type { BatchWrites, DurablePurse } from "../writer/store-port.ts";

const tablesOf = (database: Database): string[] =>
  database
    .query("SELECT name FROM main.sqlite_master WHERE type = 'table' ORDER BY name")
    .values()
    .map(([name]) => String(name));

/** Every row of every table, as text. */
const contentsOf = (database: Database): unknown =>
  tablesOf(database).map((table) => {
    const columns = database.query(`SELECT name FROM pragma_table_info('${table}')`).values();
    const texts = columns.map(([name]) => `quote(${name})`).join(", ");
    return [table, database.query(`SELECT ${texts} FROM ${table} ORDER BY 1, 2`).values()];
  });

/** Makes the `n`-th changed row fail, 1 …; gives the tables whose rows were about to change. */
const failAt = (database: Database): ((n: number) => void) => {
  database.run("CREATE TEMP TABLE fuse (rows_left INTEGER)");
  database.run("INSERT INTO fuse VALUES (0)");
  for (const table of tablesOf(database)) {
    for (const change of ["INSERT", "UPDATE", "DELETE"]) {
      database.run(
        `CREATE TEMP TRIGGER fuse_${table}_${change} BEFORE ${change} ON main.${table} BEGIN
           UPDATE fuse SET rows_left = rows_left - 1;
           SELECT RAISE(ABORT, 'blown at ${table}') FROM fuse WHERE rows_left = 0;
         END`,
      );
    }
  }
  return (n) => void database.query("UPDATE fuse SET rows_left = ?").run(n);
};

const before = fullPurse();
const after = (): DurablePurse => ({
  allotment: { ...before.allotment, pending: null, outbox: before.allotment.outbox.slice(1) },
  bank: { ...(before.bank as Bank), term: 2, version: 10, shards: [bankShard(1), bankShard(4)] },
});

const anEvent = (evtSeq: number) => ({ ...fullPurse().allotment.outbox[1], evtSeq });

test("a commit that fails at any row leaves nothing of the batch", async () => {
  const stored = await openStored(join(temporaryFolder().path, "shard1.sqlite"));
  const { database, store } = stored;
  stored.commit(
    stored.batchOf(
      {
        purses: [{ key: USDT, before: undefined, after: before }],
        positions: [storedPosition()],
        executions: [{ executionId: "old", symbol: BTC }],
      },
      isNew(storedOrder(1)),
    ),
  );
  const key = { accountId: OWNER, asset: "BTC" };
  const execution = JSON.stringify({ symbol: BTC, executionId: "aside" });
  const value = JSON.stringify({ executionId: "aside", reason: "overfill", execution });
  // The old execution has to go with it.
  stored.now = START_AT + 2 * 86_400_000;
  const { allotment } = before;
  const batch: BatchWrites = stored.batchOf(
    {
      purses: [
        { key: USDT, before, after: after() },
        {
          key,
          before: undefined,
          after: { ...before, allotment: { ...allotment, outbox: [anEvent(3) as never] } },
        },
      ],
      positions: [storedPosition({ version: 4 }), storedPosition({ side: "LONG" })],
      symbolSettings: [
        { accountId: OWNER, symbol: BTC, leverage: 5, marginMode: "CROSS", version: 1 },
      ],
      accountSettings: [{ accountId: OWNER, positionMode: "HEDGE", version: 1 }],
      marks: [{ symbol: BTC, priceUnits: 1, at: 1 }],
      lastPrices: [{ symbol: BTC, priceUnits: 1 }],
      tradingStates: [{ scope: { kind: "all" }, state: "HALTED", version: 1 }],
      transfers: [storedTransfer("t", 5n)],
      executions: [{ executionId: "aside", symbol: BTC }],
      quarantined: [
        { executionId: "aside", reason: "overfill", execution, commitSeq: stored.commitSeq + 1 },
      ],
    },
    [
      ...isNew(storedOrder(2, { children: [childOf(3), childOf(4)] }), storedChild(3, 2)),
      ...isNew(storedChild(4, 2), storedOrder(5, { reduceOnly: true })),
      ...changed(storedOrder(1, { status: "FILLED", version: 2 })),
    ],
    [value],
  );
  const all = { ...batch, outcomeKeys: [{ hash: 7, commitSeq: batch.commitSeq }] };
  const setFuse = failAt(database);
  const untouched = contentsOf(database);
  const met = new Set<string>();
  for (let n = 1; ; n++) {
    setFuse(n);
    try {
      stored.commit(all);
      break;
    } catch (error) {
      expect(error).toBeInstanceOf(CommitError);
      expect(error).toMatchObject({ definite: true });
      met.add(String((error as Error).cause).replace(/.* at /, ""));
    }
    expect(database.inTransaction).toBe(false);
    expect(contentsOf(database)).toEqual(untouched);
    expect(store.hasExecution(BTC, "aside")).toBe(false);
    expect(store.findTransfer(USDT, "t")).toBeUndefined();
    expect(store.readOrder(storedChild(3, 2).orderId)).toBeUndefined();
  }
  // Everything but what only a start or a background step writes.
  const others = [
    "cluster",
    "epoch_claim",
    "instrument",
    "outcome_generation",
    "outcome_index",
    "partition_generation",
    "schema_migration",
  ];
  expect([...met].toSorted()).toEqual(tablesOf(database).filter((name) => !others.includes(name)));
  expect(contentsOf(database)).not.toEqual(untouched);
  expect(store.hasExecution(BTC, "aside")).toBe(true);
  expect(store.hasExecution(BTC, "old")).toBe(false);
  expect(store.readOrder(storedChild(3, 2).orderId)).toEqual(storedChild(3, 2));
  stored.close();
});
