/** For tests: a lost shard, what central has of it, and the files of the others at rest. */
import { expect } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSqliteReader } from "../../app/central/embedded/sqlite-reader.ts";
import { openSqliteStore } from "../../app/central/embedded/sqlite-store.ts";
import type { CentralStore } from "../../app/central/store.ts";
import { TestShard } from "../../app/central/test-shard.ts";
import { defaultInstruments } from "../../app/instruments/default-set.ts";
import { type Restored, restoreShard } from "../../app/restore/restore-shard.ts";
import type { FilePurse } from "../../app/restore/settle-purses.ts";
import { verifyShard } from "../../app/verify/verify-shard.ts";
import type { AccountId, ShardName } from "../../shards/domain/brands.ts";
import { accountKey, renderTransfer } from "../../shards/domain/entities.ts";
import { emptyRow } from "../../shards/domain/escrow/ledger.ts";
import type { Allotment, Bank, BankShard, Transfer } from "../../shards/domain/escrow/types.ts";
import type { Order } from "../../shards/domain/order.ts";
import type { Venue } from "../../shards/domain/risk/types.ts";
import { defaultSharding, parseShardMap } from "../../shards/domain/symbol-map.ts";
import { systemClock } from "../../shards/process/clock.ts";
import { homeShardOf } from "../../shards/protocol/home-shard.ts";
import type { CommittedRecord } from "../../shards/protocol/record.ts";
import type { ClusterConfig } from "../../shards/store/cluster.ts";
import { JournalReader } from "../../shards/store/journal.ts";
import { loadShard } from "../../shards/store/load-shard.ts";
import { openForReading } from "../../shards/store/open.ts";
import { RestoredFile } from "../../shards/store/restored-file.ts";

export const P = 0;
const PARTITIONS = 1;
export const UNIT = 100_000_000n;
export const USDT = "USDT";
const MAP = parseShardMap(defaultSharding);
const SHARDS = MAP.shards.map(({ name }) => name);
const RISK_SETTINGS = {
  feeRateUnits: 50_000,
  marketBufferUnits: 5_000_000,
  markAgeMsMax: 10_000,
  leverageDefault: 20,
};
/** Of one order of 0.010 at 50,000.10 and leverage 20: 25.00005, and 0.2500005 of fees. */
export const USED = 2_525_005_050n;

const accountAt = (index: number): AccountId => {
  for (let id = 1; ; id++) {
    if (homeShardOf(id as AccountId, MAP.shards).index === index) return id as AccountId;
  }
};
/** Their banks are on shard1, which is lost, and on shard2. */
export const HERE = accountAt(1);
export const THERE = accountAt(2);

const configOf = (
  shard: ShardName,
  venue: Venue,
  risk: ClusterConfig["risk"] = "margin",
): ClusterConfig => ({
  shard,
  shardIndex: Number(shard.slice("shard".length)),
  shardMap: MAP,
  partitionCount: PARTITIONS,
  risk,
  venue,
});

export const allotmentOf = (changes: Partial<Allotment> = {}): Allotment => ({
  epoch: 1,
  state: "LIVE",
  rightsMinor: 0n,
  reqSeq: 0,
  evtSeq: 0,
  pnlTotalMinor: 0n,
  unsecuredTotalMinor: 0n,
  pending: null,
  outbox: [],
  ...changes,
});
export const bankOf = (deposited: bigint, rows: readonly Partial<BankShard>[]): Bank => ({
  term: 1,
  depositedMinor: deposited,
  withdrawnMinor: 0n,
  version: 3,
  shards: [1, 2, 3].map((index) => ({
    ...emptyRow(index, 1),
    ...rows.find(({ shardIndex }) => shardIndex === index),
  })),
});

/** Of the test that runs. */
export let folder: string;
/** What shard1 sent to central before it was lost. */
export let lost: TestShard;
let store: CentralStore;

/** A central store that knows three shards; no shard has a file. */
export const startBench = async (): Promise<void> => {
  folder = mkdtempSync(join(tmpdir(), "sluice-restore-"));
  store = openSqliteStore(join(folder, "central.sqlite"), systemClock);
  lost = new TestShard(1);
  for (const shard of SHARDS) await claim(shard);
  await push(lost.epochStarted(P));
};

export const endBench = (): void => {
  store.close();
  rmSync(folder, { recursive: true });
};

export const claim = (shard: ShardName, claimId = `of ${shard}`) =>
  store.claimEpoch({ shard, shardIndex: Number(shard.slice(5)), claimId, acceptLoss: true });
export const push = async (...records: CommittedRecord[]): Promise<void> => {
  const [result] = await store.apply({ pushes: [records], positions: [], quarantined: [] });
  expect(result?.stopped ?? null).toBeNull();
};
export const fileOf = (shard: string): string => join(folder, `${shard}.sqlite`);

/** The file of another shard, as it is at rest. */
export const peer = (
  shard: ShardName,
  purses: readonly FilePurse[],
  venue: Venue = "none",
): void => {
  const file = new RestoredFile(fileOf(shard), 1);
  file.begin({
    config: configOf(shard, venue),
    grant: { epoch: 1, centralId: store.centralId, orderCounter: 0, cursors: [] },
    instruments: defaultInstruments,
    backlogRecordsMax: 100,
    generationSize: 10,
    outcomes: 0,
    now: 1,
  });
  file.addRisk({ purses });
  file.finish();
};

export const restore = async (
  venue: Venue = "none",
  risk?: ClusterConfig["risk"],
): Promise<Restored> => {
  const central = openSqliteReader(join(folder, "central.sqlite"));
  try {
    return await restoreShard({
      dataDir: folder,
      config: configOf("shard1" as ShardName, venue, risk),
      instruments: defaultInstruments,
      outcomeRetentionMs: 1_000,
      outcomeGenerationSize: 10,
      backlogRecordsMax: 100,
      riskSettings: RISK_SETTINGS,
      central,
      unread: async () => 0,
      drainMsMax: 0,
      atDoor: (work) =>
        work(async (claimId) => {
          const grant = await claim("shard1" as ShardName, claimId);
          if (!grant.granted) throw new Error("not granted");
          return grant;
        }),
      clock: systemClock,
      onProgress: () => {},
    });
  } finally {
    await central.close();
  }
};

export const loaded = (shard: string) => {
  const database = openForReading(fileOf(shard));
  try {
    const records = new JournalReader(database, shard, 2).read(0, 1000);
    return { ...loadShard(database), records };
  } finally {
    database.close();
  }
};
export const purseOf = (shard: string, accountId: AccountId, asset = USDT) =>
  loaded(shard).risk.purses.find((one) => one.accountId === accountId && one.asset === asset);

/** Central gets what the new file says; then nothing differs. */
export const expectVerified = async (entities: number): Promise<void> => {
  let prevHash = lost.endOf(P).hash;
  const chained = loaded("shard1").records.map((record) => {
    const whole: CommittedRecord = { ...record, prevHash };
    prevHash = record.hash;
    return whole;
  });
  await push(...chained);
  const central = openSqliteReader(join(folder, "central.sqlite"));
  const { differences, compared } = await verifyShard({
    file: fileOf("shard1"),
    central,
    outcomeRetentionMs: 1_000,
    shownMax: 10,
    stateFile: join(folder, "verify.json"),
    resume: false,
    clock: systemClock,
    onProgress: () => {},
  });
  await central.close();
  expect(differences).toEqual([]);
  expect(compared.entities).toBe(entities);
};

/** Resting orders of one account, the oldest first. */
export const place = async (accountId: AccountId, count: number, change: Partial<Order> = {}) => {
  const placed = Array.from({ length: count }, () => lost.place(P, { accountId, ...change }));
  await push(...placed.map(({ record }) => record));
  return placed.map(({ order }) => order);
};
/** A flat position, whose life has realised -5 with 1 of fees. */
export const fill = (accountId: AccountId, feeAsset?: string): CommittedRecord => {
  const flat = { quantityUnits: 0, costUnits: 0n, realisedMinor: -5n * UNIT, feesMinor: UNIT };
  return lost.positionChanged(P, { accountId, ...flat }, feeAsset);
};
export const transfer = (
  id: string,
  units: bigint,
  outcome: Transfer["outcome"],
): CommittedRecord => {
  const amountMinor = units * UNIT;
  const value = renderTransfer(HERE, USDT, { transferId: id, amountMinor, outcome, at: 5 });
  return lost.entity(P, "transfer_decided", accountKey(HERE), value);
};
