/** What a start reads, and the instruments that it brings. */
import type { Database } from "bun:sqlite";
import { desc } from "drizzle-orm";
import { drizzle } from "drizzle-orm/bun-sqlite";
import type { Instrument } from "../domain/instrument.ts";
import type { Order } from "../domain/order.ts";
import { invariant } from "../process/failure.ts";
import type { StreamStanding } from "../relay/ports.ts";
import type { LoadedRisk } from "../writer/store-port.ts";
import { OrderRows } from "./order-rows.ts";
import { loadRisk } from "./risk/risk-rows.ts";
import { instrument, partitionGeneration, sequence, stream } from "./schema.ts";

/** What a start loads. */
export interface Loaded {
  readonly partitionCount: number;
  /** Of the newest way to spread keys over partitions. */
  readonly generation: number;
  readonly orderCounter: number;
  readonly commitSeq: number;
  readonly appliedCommitSeq: number;
  readonly valueBytes: number;
  readonly appliedValueBytes: number;
  readonly streams: readonly StreamStanding[];
  readonly openOrders: readonly Order[];
  readonly instruments: readonly Instrument[];
  readonly risk: LoadedRisk;
  /** Restored without the other shards' numbers: no purse may take new exposure. */
  readonly isReconciling: boolean;
}

/** Reads what the writer keeps in memory. */
export const loadShard = (database: Database): Loaded => {
  const tables = drizzle({ client: database });
  const counters = tables.select().from(sequence).get();
  invariant(counters !== undefined, "a shard's file has its sequences");
  const { orderCounter, commitSeq, appliedCommitSeq, valueBytes, appliedValueBytes } = counters;
  const newest = tables
    .select()
    .from(partitionGeneration)
    .orderBy(desc(partitionGeneration.generation))
    .limit(1)
    .get();
  invariant(newest !== undefined, "a shard's file has its partitions");
  const definitions = tables.select({ definition: instrument.definition }).from(instrument).all();
  return {
    partitionCount: newest.partitionCount,
    generation: newest.generation,
    orderCounter,
    commitSeq,
    appliedCommitSeq,
    valueBytes,
    appliedValueBytes,
    streams: tables.select().from(stream).orderBy(stream.partition).all(),
    openOrders: new OrderRows(database).loadOpen(),
    instruments: definitions.map(({ definition }) => JSON.parse(definition) as Instrument),
    risk: loadRisk(database),
    isReconciling: readIsReconciling(database),
  };
};

export const readIsReconciling = (database: Database): boolean =>
  database.query("SELECT is_reconciling FROM bank_self").values()[0]?.[0] === 1;

/** Stores the instruments that the file does not know yet; those it knows stay as they are. */
export const seedInstruments = (database: Database, instruments: readonly Instrument[]): void => {
  const rows = instruments.map((one) => ({
    symbol: one.symbol,
    version: one.version,
    definition: JSON.stringify(one),
  }));
  if (rows.length === 0) return;
  drizzle({ client: database }).insert(instrument).values(rows).onConflictDoNothing().run();
};
