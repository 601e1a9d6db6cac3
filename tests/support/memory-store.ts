/** The writer's store without a disk, for unit tests of the shard. */

import type { InstrumentSymbol, OrderId } from "../../shards/domain/brands.ts";
import type { Outcome } from "../../shards/domain/decide.ts";
import {
  accountSettingsKey,
  executionKey,
  positionKey,
  purseKey,
  scopeKey,
  symbolSettingsKey,
  transferKey,
} from "../../shards/domain/entities.ts";
import type { PurseKey, Transfer } from "../../shards/domain/escrow/types.ts";
import { isOpen, type Order } from "../../shards/domain/order.ts";
import { type OrderBody, type RefusalBody, requestOfBody } from "../../shards/domain/order-body.ts";
import type { CommitError } from "../../shards/process/commit-error.ts";
import type { CommittedRecord } from "../../shards/protocol/record.ts";
import type {
  BatchWrites,
  LoadedRisk,
  OutcomeLookup,
  RiskWrites,
  Watermarks,
  WriterStore,
} from "../../shards/writer/store-port.ts";

/** What a client order id's record says, read from the record alone. */
const outcomeOf = (record: CommittedRecord): Outcome | undefined => {
  const { epoch, commitSeq, partition, seq } = record;
  const stamp = { epoch, commitSeq, partition, seq };
  if (record.type === "order_accepted") {
    const body: OrderBody = JSON.parse(record.value);
    const orderId = Number(body.orderId) as OrderId;
    return { status: 201, body: record.value, request: requestOfBody(body), stamp, orderId };
  }
  if (record.type !== "order_refused") return undefined;
  const { request, status, answer }: RefusalBody = JSON.parse(record.value);
  return { status, body: answer, request, stamp, orderId: null };
};

const keyOf = (key: {
  readonly accountId: number | string;
  readonly symbol: string;
  readonly clientOrderId: string;
}): string => `${key.accountId}:${key.symbol}:${key.clientOrderId}`;

/** The writer's store without a disk; `failure` is thrown by the next commit. */
export class MemoryStore implements WriterStore {
  readonly records: CommittedRecord[] = [];
  readonly batches: BatchWrites[] = [];
  readonly orders = new Map<OrderId, Order>();
  readonly #outcomes = new Map<string, Outcome>();
  readonly #risk = new MemoryRisk();
  watermarks: Watermarks | null = null;
  failure: CommitError | null = null;
  maintained = 0;
  valueBytes = 0;

  commit(batch: BatchWrites): void {
    const { failure } = this;
    this.failure = null;
    if (failure !== null) throw failure;
    this.batches.push(batch);
    for (const record of batch.records) {
      this.records.push(record);
      this.valueBytes += record.value.length;
      const outcome = outcomeOf(record);
      const { accountId } = JSON.parse(record.value);
      if (outcome !== undefined) {
        this.#outcomes.set(keyOf({ ...outcome.request, accountId }), outcome);
      }
    }
    for (const { order } of batch.orders) this.orders.set(order.orderId, order);
    if (batch.risk !== null) this.#risk.write(batch.risk);
  }

  hasExecution(symbol: InstrumentSymbol, executionId: string): boolean {
    return this.#risk.executions.has(executionKey(symbol, executionId));
  }

  findTransfer({ accountId, asset }: PurseKey, transferId: string): Transfer | undefined {
    return this.#risk.transfers.get(transferKey(accountId, asset, transferId));
  }

  /** What a start would load. */
  loadRisk(): LoadedRisk {
    return this.#risk.load();
  }

  loadOpenOrders(): readonly Order[] {
    return [...this.orders.values()].filter(({ status }) => isOpen(status));
  }

  maintain(): void {
    this.maintained++;
  }

  findOutcome(key: OutcomeLookup): Outcome | undefined {
    return this.#outcomes.get(keyOf(key));
  }

  readOrder(orderId: OrderId): Order | undefined {
    return this.orders.get(orderId);
  }

  setWatermarks(watermarks: Watermarks): void {
    this.watermarks = watermarks;
  }

  sizes() {
    return { fileBytes: 0, walBytes: 0, freeBytes: 1e12 };
  }
}

/** The newest of each row that is not an order. */
class MemoryRisk {
  readonly executions = new Set<string>();
  readonly transfers = new Map<string, Transfer>();
  readonly #purses = new Map<string, LoadedRisk["purses"][number]>();
  readonly #positions = new Map<string, LoadedRisk["positions"][number]>();
  readonly #symbolSettings = new Map<string, LoadedRisk["symbolSettings"][number]>();
  readonly #accountSettings = new Map<string, LoadedRisk["accountSettings"][number]>();
  readonly #marks = new Map<string, LoadedRisk["marks"][number]>();
  readonly #lastPrices = new Map<string, LoadedRisk["lastPrices"][number]>();
  readonly #tradingStates = new Map<string, LoadedRisk["tradingStates"][number]>();

  write(risk: RiskWrites): void {
    for (const { key, before, after } of risk.purses) {
      const { accountId, asset } = key;
      const stored = this.#purses.get(purseKey(accountId, asset));
      // As the file does: a purse is inserted once, and changed from what it was.
      if ((stored === undefined) !== (before === undefined)) throw new Error("purse out of step");
      this.#purses.set(purseKey(accountId, asset), { ...key, ...after });
    }
    for (const one of risk.positions) {
      this.#positions.set(positionKey(one.accountId, one.symbol, one.side), one);
    }
    for (const one of risk.symbolSettings) {
      this.#symbolSettings.set(symbolSettingsKey(one.accountId, one.symbol), one);
    }
    for (const one of risk.accountSettings) {
      this.#accountSettings.set(accountSettingsKey(one.accountId), one);
    }
    for (const one of risk.marks) this.#marks.set(one.symbol, one);
    for (const one of risk.lastPrices) this.#lastPrices.set(one.symbol, one);
    for (const one of risk.tradingStates) this.#tradingStates.set(scopeKey(one.scope), one);
    for (const { accountId, asset, ...one } of risk.transfers) {
      this.transfers.set(transferKey(accountId, asset, one.transferId), one);
    }
    for (const one of risk.executions) {
      this.executions.add(executionKey(one.symbol, one.executionId));
    }
  }

  load(): LoadedRisk {
    return {
      purses: [...this.#purses.values()],
      positions: [...this.#positions.values()],
      symbolSettings: [...this.#symbolSettings.values()],
      accountSettings: [...this.#accountSettings.values()],
      marks: [...this.#marks.values()],
      lastPrices: [...this.#lastPrices.values()],
      tradingStates: [...this.#tradingStates.values()],
    };
  }
}
