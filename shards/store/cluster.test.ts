import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { type FileOptions, openFile, temporaryFolder } from "../../tests/support/shard-file.ts";
import { PARTITIONS, place } from "../../tests/support/shard-state.ts";
import { OWNER, openStored, storedPosition } from "../../tests/support/stored-risk.ts";
import type { InstrumentSymbol } from "../domain/brands.ts";
import { defaultSharding, describeShardMap, parseShardMap } from "../domain/symbol-map.ts";
import { UsageError } from "../process/failure.ts";
import type { RiskWrites } from "../writer/store-port.ts";

const MOVING = "BTCBUSD" as InstrumentSymbol;

const orders = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, i) => place({ clientOrderId: `${prefix}-${i}` }));

const errorOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "no error",
    (error: unknown) => error,
  );

describe("what is pinned in the file", () => {
  const openWith = async (path: string, options: FileOptions): Promise<void> => {
    (await openFile(path, options)).close();
  };

  test.each<[string, FileOptions["config"], string]>([
    [
      "name",
      { shard: "shard2" as never },
      "the shard's name shard1, the configuration says shard2",
    ],
    [
      "number of shards",
      { shardMap: parseShardMap({ enabled: false }) },
      "the number of shards 3, the configuration says 1",
    ],
    ["risk", { risk: "margin" }, "risk none, the configuration says margin"],
    ["venue", { venue: "external" }, "venue none, the configuration says external"],
    [
      "risk and venue at once, as the defaults are to an older file",
      { risk: "margin", venue: "external" },
      "set SLUICE_RISK=none and SLUICE_VENUE=none, or",
    ],
  ])("refuses another %s", async (_, config, message) => {
    const folder = temporaryFolder();
    const path = join(folder.path, "shard1.sqlite");
    await openWith(path, {});
    const opened = openWith(path, { config: config ?? {} });
    const refusal = await errorOf(opened);
    expect(refusal).toBeInstanceOf(UsageError);
    expect(String(refusal)).toContain(message);
    await openWith(path, {});
  });

  test("but not the number of partitions: the setting is for new files", async () => {
    const folder = temporaryFolder();
    const path = join(folder.path, "shard1.sqlite");
    await openWith(path, {});
    for (const partitionCount of [1, 8]) {
      const file = await openFile(path, { config: { partitionCount } });
      expect(file.state.partitionCount).toBe(PARTITIONS);
      file.run([place({ clientOrderId: `with-${partitionCount}` })]);
      file.close();
    }
  });

  const moved = parseShardMap({
    ...defaultSharding,
    shard1: { symbols: "BTCUSDT,BTCUSDC" },
    shard2: { symbols: "ETHUSDT,ETHBUSD,ETHUSDC,BTCBUSD" },
  });

  test("lets a symbol without orders move, and remembers the new map", async () => {
    const folder = temporaryFolder();
    const path = join(folder.path, "shard1.sqlite");
    const file = await openFile(path);
    file.run(orders("a", 1));
    file.close();
    await openWith(path, { config: { shardMap: moved } });
    const again = await openFile(path, { config: { shardMap: moved } });
    const [pinned] = again.database.query("SELECT shard_map FROM cluster").values();
    expect(pinned).toEqual([describeShardMap(moved)]);
    again.close();
  });

  test("refuses to move a symbol that has orders", async () => {
    const folder = temporaryFolder();
    const path = join(folder.path, "shard1.sqlite");
    const file = await openFile(path);
    file.run([place({ symbol: "BTCBUSD" })]);
    file.close();
    expect(String(await errorOf(openWith(path, { config: { shardMap: moved } })))).toMatch(
      /sharding: moves BTCBUSD away from shard1/,
    );
  });

  test.each([
    ["a position", { positions: [storedPosition({ symbol: MOVING })] }],
    [
      "an account's settings",
      {
        symbolSettings: [
          { accountId: OWNER, symbol: MOVING, leverage: 3, marginMode: "CROSS", version: 1 },
        ],
      },
    ],
    [
      "a trading state",
      {
        tradingStates: [{ scope: { kind: "symbol", symbol: MOVING }, state: "HALTED", version: 1 }],
      },
    ],
    ["seen executions", { executions: [{ executionId: "1", symbol: MOVING }] }],
  ] satisfies [string, Partial<RiskWrites>][])(
    "refuses to move a symbol that has %s",
    async (_, risk) => {
      const path = join(temporaryFolder().path, "shard1.sqlite");
      const stored = await openStored(path);
      stored.commit(stored.batchOf(risk));
      stored.close();
      const refusal = await errorOf(openWith(path, { config: { shardMap: moved } }));
      expect(String(refusal)).toMatch(/sharding: moves BTCBUSD away from shard1/);
    },
  );

  test("lets a symbol move beside states of accounts and of all", async () => {
    const path = join(temporaryFolder().path, "shard1.sqlite");
    const stored = await openStored(path);
    const scopes = [{ kind: "all" }, { kind: "account", accountId: OWNER }] as const;
    const tradingStates = scopes.map((scope) => ({ scope, state: "HALTED" as const, version: 1 }));
    stored.commit(stored.batchOf({ tradingStates, positions: [storedPosition()] }));
    stored.close();
    await openWith(path, { config: { shardMap: moved } });
  });

  test("refuses to move a symbol whose client order ids are still remembered", async () => {
    const folder = temporaryFolder();
    const path = join(folder.path, "shard1.sqlite");
    const file = await openFile(path, { orderRetentionMs: 1_000 });
    file.run([place({ symbol: "BTCBUSD", timeInForce: "IOC" })]);
    file.applied();
    file.now += 5_000;
    file.run([place()]);
    expect(file.number("SELECT count(*) FROM orders WHERE symbol = 'BTCBUSD'")).toBe(0);
    file.close();
    // On the other shard the same id would be accepted a second time.
    expect(String(await errorOf(openWith(path, { config: { shardMap: moved } })))).toMatch(
      /moves BTCBUSD/,
    );
  });
});
