import { describe, expect, test } from "bun:test";
import type { AccountId } from "../../shards/domain/brands.ts";
import { renderPosition } from "../../shards/domain/entities.ts";
import type { Position } from "../../shards/domain/risk/types.ts";
import type { CommittedRecord } from "../../shards/protocol/record.ts";
import type { ShardFilePins } from "../../shards/store/shard-reader.ts";
import { type EntityRow, entityRowOf } from "../central/entity-row.ts";
import { TestShard } from "../central/test-shard.ts";
import { checkRecords, type EntityCheckParts, walkEntities } from "./entity-walk.ts";
import { Findings } from "./findings.ts";
import { readContent } from "./journal-chunk.ts";

const P = 4;
const TYPE = "position_changed";
const KEY = "42:BTCUSDT:BOTH";
const EPOCH = 1;

/** What the shard's table has, and when it last changed. */
interface Own {
  readonly position: Position;
  readonly lastCommitSeq: number;
  /** Read once more. */
  readonly later?: Position;
}

const centralOf = (rows: readonly EntityRow[]): EntityCheckParts["central"] => ({
  entities: async ({ type, after }) =>
    rows.filter((row) => row.type === type && row.entityKey > after),
  entitiesByKey: async (_shard, type, keys) =>
    rows.filter((row) => row.type === type && keys.includes(row.entityKey)),
});

const shardOf = (owns: readonly Own[]): EntityCheckParts["shard"] => {
  const entityOf = (position: Position, lastCommitSeq: number) => {
    const entityKey = `${position.accountId}:${position.symbol}:${position.side}`;
    return { type: TYPE, entityKey, value: renderPosition(position), lastCommitSeq } as const;
  };
  const later = owns.map((own) => entityOf(own.later ?? own.position, own.lastCommitSeq));
  return {
    pins: { shard: "shard1", shardIndex: 1, epoch: EPOCH, centralId: "c" } as ShardFilePins,
    *entities() {
      yield owns.map(({ position, lastCommitSeq }) => entityOf(position, lastCommitSeq));
    },
    entity: (type, key) => later.find((one) => one.type === type && one.entityKey === key),
  };
};

const walked = async (owns: readonly Own[], rows: readonly EntityRow[], cutCommitSeq = 10) => {
  const findings = new Findings(10);
  const parts = { shard: shardOf(owns), central: centralOf(rows), findings };
  const count = await walkEntities(parts, cutCommitSeq);
  return { count, found: findings.first.map(({ code, where }) => `${code} ${where}`) };
};

const shard = new TestShard();
const position = (version: number, changes: Partial<Position> = {}): Position =>
  shard.position({ version, updatedAt: 5, ...changes });
const rowOf = (one: Position): EntityRow =>
  entityRowOf(new TestShard().positionChanged(P, one), TYPE);
const own = (version: number, changes: Partial<Own> = {}): Own => ({
  position: position(version),
  lastCommitSeq: 10,
  ...changes,
});

describe("a shard's table against central finds", () => {
  const CASES: readonly (readonly [string, Own[], EntityRow[], string[]])[] = [
    ["nothing in the same value, whatever fill made it", [own(2)], [rowOf(position(2))], []],
    ["what central lacks", [own(2)], [], ["entity_missing"]],
    ["nothing when it came behind the cut", [own(2, { lastCommitSeq: 11 })], [], []],
    ["an older version in central", [own(2)], [rowOf(position(1))], ["entity_behind"]],
    ["another value", [own(2)], [rowOf(position(2, { feesMinor: 1n }))], ["entity_differs"]],
    ["a newer version in central", [own(2)], [rowOf(position(3))], ["entity_ahead"]],
    [
      "nothing when the shard has gone on as central has",
      [own(2, { later: position(3) })],
      [rowOf(position(3))],
      [],
    ],
    [
      "another value of what the shard has gone on to",
      [own(2, { later: position(3, { quantityUnits: 1 }) })],
      [rowOf(position(3))],
      ["entity_differs"],
    ],
    [
      "nothing when the shard has gone on further",
      [own(2, { later: position(4) })],
      [rowOf(position(3))],
      [],
    ],
    ["what the shard never had", [], [rowOf(position(1))], ["entity_unknown"]],
  ];
  test.each(CASES)("%s", async (_name, owns, rows, codes) => {
    const { found } = await walked(owns, rows);
    expect(found).toEqual(codes.map((code) => `${code} ${TYPE} ${KEY}`));
  });

  test("and counts what it compared", async () => {
    const owns = [3, 4, 5].map((id) =>
      own(1, { position: position(1, { accountId: id as AccountId }) }),
    );
    const late = { ...own(1), lastCommitSeq: 11 };
    const rows = owns.map((one) => rowOf(one.position));
    expect(await walked([...owns, late], rows)).toEqual({ count: 3, found: [] });
  });
});

describe("the journal's records against central find", () => {
  const found = async (records: readonly CommittedRecord[], rows: readonly EntityRow[]) => {
    const findings = new Findings(10);
    const { entities } = readContent(records, () => true, findings);
    const parts = { shard: shardOf([]), central: centralOf(rows), findings };
    await checkRecords(parts, entities.values());
    return findings.first.map(({ code }) => code);
  };
  const journal = (): [CommittedRecord, CommittedRecord, CommittedRecord] => {
    const one = new TestShard();
    return [1, 2, 3].map((version) => one.positionChanged(P, { version })) as never;
  };

  test("nothing when central has the newest, or a newer one", async () => {
    const [first, second, third] = journal();
    expect(await found([first, second], [entityRowOf(second, TYPE)])).toEqual([]);
    expect(await found([first, second], [entityRowOf(third, TYPE)])).toEqual([]);
  });

  test("what central lacks, of a later number or epoch than it has", async () => {
    const [first, second] = journal();
    const row = entityRowOf(first, TYPE);
    expect(await found([first, second], [])).toEqual(["entity_missing"]);
    expect(await found([first, second], [row])).toEqual(["entity_behind"]);
    expect(await found([first, second], [{ ...row, epoch: 0, commitSeq: 9 }])).toEqual([
      "entity_behind",
    ]);
  });

  test("another text in the record's place, its fill included", async () => {
    const [first] = journal();
    const row = entityRowOf(first, TYPE);
    const value = row.value.replace('"fee":"-0.00000005"', '"fee":"-0.00000006"');
    expect(value).not.toBe(row.value);
    expect(await found([first], [{ ...row, value }])).toEqual(["entity_differs"]);
  });

  test("a value that cannot be read", async () => {
    const [first] = journal();
    expect(await found([{ ...first, value: "{}" }], [])).toEqual(["record_unreadable"]);
  });
});
