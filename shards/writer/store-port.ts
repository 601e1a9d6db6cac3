/** What the writer needs from the shard's file; `shards/store` gives it. */
import type { InstrumentSymbol, OrderId } from "../domain/brands.ts";
import type { Outcome } from "../domain/decide.ts";
import type { Allotment, Bank, PurseKey, Transfer } from "../domain/escrow/types.ts";
import type { Order } from "../domain/order.ts";
import type {
  AccountSettings,
  MarkPrice,
  Position,
  ScopedTradingState,
  SymbolSettings,
} from "../domain/risk/types.ts";
import type { CommittedRecord } from "../protocol/record.ts";

/** An order as one batch leaves it. */
export interface OrderWrite {
  readonly order: Order;
  readonly isNew: boolean;
  readonly lastCommitSeq: number;
}

/** A change of how keys are spread, which begins with the batch's first record. */
export interface PartitionRaise {
  readonly generation: number;
  readonly partitionCount: number;
}

/** The durable part of a purse as one batch leaves it; `before` is undefined when it is new. */
export interface PurseWrite {
  readonly key: PurseKey;
  readonly before: DurablePurse | undefined;
  readonly after: DurablePurse;
}

export interface DurablePurse {
  readonly allotment: Allotment;
  /** null where this shard is not the account's home. */
  readonly bank: Bank | null;
}

/** The price of a symbol's latest fill; units of 10^-priceScale. */
export interface LastPrice {
  readonly symbol: InstrumentSymbol;
  readonly priceUnits: number;
}

/** What a batch changed beside orders and records. Empty lists where nothing did. */
export interface RiskWrites {
  readonly purses: readonly PurseWrite[];
  readonly positions: readonly Position[];
  readonly symbolSettings: readonly SymbolSettings[];
  readonly accountSettings: readonly AccountSettings[];
  readonly marks: readonly MarkPrice[];
  readonly lastPrices: readonly LastPrice[];
  readonly tradingStates: readonly ScopedTradingState[];
  readonly transfers: readonly (PurseKey & Transfer)[];
  /** Ids that may not be applied again, put aside or not. */
  readonly executions: readonly SeenExecution[];
  readonly quarantined: readonly QuarantinedExecution[];
}

export interface SeenExecution {
  readonly executionId: string;
  readonly symbol: InstrumentSymbol;
}

export interface QuarantinedExecution {
  readonly executionId: string;
  readonly reason: string;
  /** As JSON. */
  readonly execution: string;
  readonly commitSeq: number;
}

/** Everything that one transaction makes durable. */
export interface BatchWrites {
  readonly at: number;
  /** null in every batch of commands. */
  readonly raise: PartitionRaise | null;
  readonly records: readonly CommittedRecord[];
  /** Children stand anywhere behind their parents; they are written after all parents. */
  readonly orders: readonly OrderWrite[];
  /** null when nothing but orders changed. */
  readonly risk: RiskWrites | null;
  readonly outcomeKeys: readonly { readonly hash: number; readonly commitSeq: number }[];
  readonly orderCounter: number;
  readonly commitSeq: number;
}

/** How far the broker and central have got. Durable with the next batch. */
export interface Watermarks {
  /** Every record up to here has reached central. */
  readonly appliedCommitSeq: number;
  /** Bytes of all values up to there, since the file's first record. */
  readonly appliedValueBytes: number;
  readonly partitions: readonly {
    readonly partition: number;
    readonly replicatedSeq: number;
    readonly replicatedHash: string;
    readonly appliedSeq: number;
  }[];
}

export interface FileSizes {
  readonly fileBytes: number;
  readonly walBytes: number;
  readonly freeBytes: number;
}

export interface WriterStore {
  /** One transaction, durable when it returns. Throws CommitError of shards/process. */
  commit(batch: BatchWrites): void;
  /** Background work between batches. Throws a retryable OperatingError when the disk refuses. */
  maintain(now: number): void;
  findOutcome(key: OutcomeLookup, now: number): Outcome | undefined;
  /** Open or terminal, as last committed. */
  readOrder(orderId: OrderId): Order | undefined;
  hasExecution(symbol: InstrumentSymbol, executionId: string): boolean;
  findTransfer(key: PurseKey, transferId: string): Transfer | undefined;
  setWatermarks(watermarks: Watermarks): void;
  /** Bytes of all values committed, since the file's first record. */
  readonly valueBytes: number;
  sizes(): FileSizes;
}

export interface OutcomeLookup {
  readonly accountId: number;
  readonly symbol: string;
  readonly clientOrderId: string;
  readonly hash: number;
}

/** What a start loads of accounts, positions and prices. */
export interface LoadedRisk {
  readonly purses: readonly (PurseKey & DurablePurse)[];
  /** Those that are not flat, and the flat ones: versions and totals go on. */
  readonly positions: readonly Position[];
  readonly symbolSettings: readonly SymbolSettings[];
  readonly accountSettings: readonly AccountSettings[];
  readonly marks: readonly MarkPrice[];
  readonly lastPrices: readonly LastPrice[];
  readonly tradingStates: readonly ScopedTradingState[];
}
