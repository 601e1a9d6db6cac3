import { describe, expect, test } from "bun:test";
import { MemoryStore } from "../../tests/support/memory-store.ts";
import { deposit } from "../../tests/support/shard-network.ts";
import {
  ACCOUNT,
  emptyState,
  faultsOf,
  hashKey,
  limitRequest,
  PARTITIONS,
  riskTerms,
  START_AT,
  SYMBOLS,
} from "../../tests/support/shard-state.ts";
import type { AccountId, CanonicalDecimal, InstrumentSymbol, OrderId } from "../domain/brands.ts";
import type { Command } from "../domain/command.ts";
import type { BankMessage } from "../domain/escrow/messages.ts";
import { CommitError } from "../process/commit-error.ts";
import { createLogger } from "../process/logger.ts";
import { createRegistry } from "../process/metrics.ts";
import type { Answer } from "../protocol/answer.ts";
import { Admission } from "./admission.ts";
import { WriterMetrics } from "./metrics.ts";
import { OwnCommands } from "./own-commands.ts";
import type { RiskTerms } from "./risk/risk-state.ts";
import type { ShardState } from "./state.ts";
import { Writer } from "./writer.ts";

const [BTC] = SYMBOLS as [InstrumentSymbol];

/** A writer with its own commands over a store in memory, as the shard joins them. */
const begin = (terms: RiskTerms = riskTerms(), store = new MemoryStore(), before?: ShardState) => {
  const { shardIndex } = terms.escrow;
  const state =
    before === undefined
      ? emptyState({ shardIndex }, terms)
      : emptyState(
          {
            shardIndex,
            orderCounter: before.orderCounter,
            commitSeq: before.commitSeq,
            streams: Array.from({ length: PARTITIONS }, (_, partition) => ({
              partition,
              ...before.streamEnd(partition),
            })),
            openOrders: store.loadOpenOrders(),
            risk: store.loadRisk(),
          },
          terms,
        );
  const clock = { at: START_AT, now: () => clock.at, monotonicMs: () => 0 };
  const sent: BankMessage[] = [];
  const failures: string[] = [];
  const limits = { freeSpaceFloorBytes: 0, backlogRecordsMax: 1e6, backlogBytesMax: 1e9 };
  const writer: Writer = new Writer({
    state,
    store,
    hashKey,
    admission: new Admission(limits),
    clock,
    logger: createLogger("test", "silent"),
    metrics: new WriterMetrics(createRegistry({ shard: "shard1" })),
    limits: {
      batchOrdersMax: 8,
      intakeQueueMax: 100,
      intakeWaitMaxMs: 50,
      openOrdersMax: 100,
      grantWaitersMax: 2,
    },
    onCommitted: (committed) => own.committed(committed),
    onBankMessages: (messages) => sent.push(...messages),
    onDrained: () => {},
    onFailed: (reason) => failures.push(reason),
  });
  const own: OwnCommands = new OwnCommands({ state, writer, clock, intakeQueueMax: 100 });
  const answers: Answer[] = [];
  const sender = { answer: (answer: Answer) => answers.push(answer) };
  const submit = async (...commands: Command[]): Promise<void> => {
    for (const [i, command] of commands.entries()) {
      writer.submit(sender, i, START_AT + 60_000, command);
    }
    await settle();
  };
  const settle = async (): Promise<void> => {
    do await new Promise(setImmediate);
    while (writer.waiting > 0);
  };
  const statusOf = (id: number) => store.orders.get(id as OrderId)?.status;
  return { state, store, writer, own, clock, sent, failures, answers, submit, settle, statusOf };
};

const stop = (
  clientOrderId: string,
  changes: Parameters<typeof limitRequest>[0] = {},
): Command => ({
  kind: "place",
  accountId: ACCOUNT,
  request: limitRequest({
    clientOrderId,
    type: "STOP_MARKET",
    timeInForce: null,
    price: null,
    stopPrice: "51000",
    workingType: "MARK_PRICE",
    ...changes,
  }),
});
const mark = (price: string, at: number): Command => ({
  kind: "mark",
  symbol: BTC,
  price: price as CanonicalDecimal,
  at,
});
const fill = (executionId: string, price: string, changes: object = {}): Command => ({
  kind: "execute",
  execution: {
    executionId,
    orderId: 1025 as OrderId,
    symbol: BTC,
    kind: "FILL",
    price: price as CanonicalDecimal,
    quantity: "0.01" as CanonicalDecimal,
    fee: null,
    feeAsset: null,
    at: START_AT,
    ...changes,
  },
});

describe("a conditional order", () => {
  test("goes live once, in the batch after the mark that reaches it", async () => {
    const shard = begin();
    await shard.submit(deposit("1000"), mark("50000", START_AT), stop("s"));
    expect(shard.statusOf(1025)).toBe("UNTRIGGERED");
    await shard.submit(mark("50999.9", START_AT + 1));
    expect(shard.statusOf(1025)).toBe("UNTRIGGERED");
    await shard.submit(mark("51000", START_AT + 2), mark("52000", START_AT + 3));
    expect(shard.statusOf(1025)).toBe("NEW");
    await shard.submit(mark("51500", START_AT + 4));
    const changes = shard.store.records.filter(({ type }) => type === "order_changed");
    expect(changes).toHaveLength(1);
    expect(faultsOf(shard.store.records)).toEqual([]);
  });

  test("goes live by a price that was reached and had gone again within one batch", async () => {
    const shard = begin();
    await shard.submit(deposit("1000"), mark("50000", START_AT), stop("s"));
    await shard.submit(mark("51000", START_AT + 1), mark("50000", START_AT + 2));
    expect(shard.statusOf(1025)).toBe("NEW");
    // What came behind such a price in its batch does not wait for it.
    await shard.submit(mark("51000", START_AT + 3), mark("50000", START_AT + 4), stop("t"));
    expect(shard.statusOf(2049)).toBe("UNTRIGGERED");
  });

  test("goes live after a restart, by the mark that came before it", async () => {
    const shard = begin();
    await shard.submit(deposit("1000"), mark("50000", START_AT), stop("s"));
    const { state, store } = shard;
    await shard.submit(mark("50500", START_AT + 1));
    // The process ends after the mark's commit and before the trigger's.
    const reached = new MemoryStore();
    for (const batch of store.batches) reached.commit(batch);
    const [before] = store.batches.slice(-1);
    if (before?.risk) {
      const marks = [{ symbol: BTC, priceUnits: 5_200_000, at: START_AT + 9 }];
      reached.commit({ ...before, records: [], orders: [], risk: { ...before.risk, marks } });
    }
    const again = begin(riskTerms(), reached, state);
    expect(again.statusOf(1025)).toBe("UNTRIGGERED");
    again.own.start();
    await again.settle();
    expect(again.statusOf(1025)).toBe("NEW");
    const third = begin(riskTerms(), reached, again.state);
    third.own.start();
    await third.settle();
    expect(reached.orders.get(1025 as OrderId)?.version).toBe(2);
  });

  test("whose trigger was lost with its batch is triggered by the next look", async () => {
    const shard = begin();
    await shard.submit(deposit("1000"), mark("50000", START_AT), stop("s"));
    const commit = shard.store.commit.bind(shard.store);
    shard.store.commit = (batch) => {
      // The mark's batch passes, the trigger's does not.
      if (batch.orders.length > 0) shard.store.failure = new CommitError(true, new Error("full"));
      commit(batch);
    };
    await shard.submit(mark("51000", START_AT + 1));
    await shard.settle();
    expect(shard.statusOf(1025)).toBe("UNTRIGGERED");
    shard.store.commit = commit;
    shard.own.tick();
    await shard.settle();
    expect(shard.statusOf(1025)).toBe("NEW");
  });

  test("that waits for a resting order to make room is told again until it is live", async () => {
    const shard = begin();
    const place = (changes: Parameters<typeof limitRequest>[0]): Command => ({
      kind: "place",
      accountId: ACCOUNT,
      request: limitRequest(changes),
    });
    await shard.submit(
      ...[deposit("1000"), mark("50000", START_AT), place({ clientOrderId: "p" })],
      ...[fill("e-1", "50000", { quantity: "0.01" })],
      place({ clientOrderId: "tp", side: "SELL", price: "52000", reduceOnly: true }),
      stop("sl", { side: "SELL", stopPrice: "49000", reduceOnly: true }),
    );
    await shard.submit(mark("48999", START_AT + 1), mark("50000", START_AT + 2));
    const statuses = () => [2049, 3073].map((id) => shard.statusOf(id));
    expect(statuses()).toEqual(["PENDING_CANCEL", "UNTRIGGERED"]);
    shard.own.tick();
    await shard.settle();
    expect(statuses()).toEqual(["PENDING_CANCEL", "UNTRIGGERED"]);
    await shard.submit(
      fill("e-2", "1", { orderId: 2049, kind: "CANCEL", price: null, quantity: null }),
    );
    shard.own.tick();
    await shard.settle();
    expect(statuses()).toEqual(["CANCELED", "NEW"]);
  });

  test("may wait for the price of the latest fill", async () => {
    const shard = begin();
    await shard.submit(
      deposit("1000"),
      mark("50000", START_AT),
      { kind: "place", accountId: ACCOUNT, request: limitRequest({ clientOrderId: "l" }) },
      stop("s", { workingType: "LAST_PRICE", stopPrice: "49000", side: "SELL" }),
    );
    await shard.submit(mark("49000", START_AT + 1));
    expect(shard.statusOf(2049)).toBe("UNTRIGGERED");
    await shard.submit(fill("e-1", "48999"));
    expect(shard.statusOf(2049)).toBe("NEW");
  });

  test("that begins to wait when its price is past goes live at once", async () => {
    const shard = begin();
    const child = {
      clientOrderId: null,
      stopPrice: "49000",
      price: null,
      workingType: "MARK_PRICE",
    };
    await shard.submit(deposit("1000"), mark("50000", START_AT), {
      kind: "place",
      accountId: ACCOUNT,
      request: limitRequest({ clientOrderId: "p", stopLoss: child }),
    });
    expect(shard.statusOf(2049)).toBe("PENDING");
    await shard.submit(mark("48000", START_AT + 1));
    expect(shard.statusOf(2049)).toBe("PENDING");
    await shard.submit(fill("e-1", "50000"));
    expect(shard.statusOf(2049)).toBe("NEW");
  });
});

const away = riskTerms({ shardIndex: 2, shardIndexes: [1, 2], homeOf: () => 1 });
const order = (clientOrderId: string): Command => ({
  kind: "place",
  accountId: ACCOUNT,
  request: limitRequest({ clientOrderId }),
});

describe("the timers of purses", () => {
  test("send a request again that has no answer, and only such", async () => {
    const shard = begin(away);
    await shard.submit(order("a"));
    expect(shard.sent.map(({ kind }) => kind)).toEqual(["grant_request"]);
    shard.own.tick();
    await shard.settle();
    expect(shard.sent).toHaveLength(1);
    shard.clock.at += 500;
    shard.own.tick();
    await shard.settle();
    expect(shard.sent).toHaveLength(2);
    const [first, second] = shard.sent;
    expect(second).toEqual(first as BankMessage);
    expect(shard.own.unansweredBy(1)).toEqual([first as BankMessage]);
    expect(shard.own.unansweredBy(2)).toEqual([]);
  });

  test("send what a fill realised once it is replicated, until it is acknowledged", async () => {
    let replicated = 0;
    const { escrow } = away;
    const shard = begin(riskTerms({ ...escrow, replicatedCommitSeq: () => replicated }));
    const bank = { accountId: ACCOUNT, asset: "USDT", shardIndex: 2, epoch: 1, term: 1 };
    const grant = { grantedMinor: 10n ** 10n, targetMinor: 10n ** 10n, freeMinor: 0n };
    await shard.submit(order("a"));
    await shard.submit({
      kind: "bank",
      message: { kind: "grant_reply", ...bank, reqSeq: 1, code: "OK", ...grant },
    });
    await shard.submit(fill("e-1", "50000", { orderId: 1026, fee: "0.25" }));
    shard.sent.length = 0;
    const look = async (ms: number): Promise<readonly string[]> => {
      shard.clock.at += ms;
      shard.own.tick();
      await shard.settle();
      return shard.sent.splice(0).map(({ kind }) => kind);
    };
    expect([await look(1_000), shard.own.unansweredBy(1)]).toEqual([[], []]);
    replicated = shard.state.commitSeq;
    expect(shard.own.unansweredBy(1)).toMatchObject([{ event: { deltaMinor: -25_000_000n } }]);
    // Lost on its way, and again, and then not.
    expect([await look(100), await look(100), await look(200)]).toEqual([
      ...[["event"], [], ["event"]],
    ]);
    await shard.submit({ kind: "bank", message: { kind: "event_ack", ...bank, evtSeq: 1 } });
    expect([await look(1_000), shard.own.unansweredBy(1)]).toEqual([[], []]);
  });

  test("come round to every purse, however many wait for banks that are silent", async () => {
    const shard = begin(away);
    const accounts = Array.from({ length: 120 }, (_, i) => (100 + i) as AccountId);
    for (const accountId of accounts) {
      const request = limitRequest({ clientOrderId: "a" });
      await shard.submit({ kind: "place", accountId, request });
    }
    shard.sent.length = 0;
    // Half of the queue at a time, fifty.
    for (let look = 0; look < 3; look++) {
      shard.clock.at += 500;
      shard.own.tick();
      await shard.settle();
    }
    expect(new Set(shard.sent.map(({ accountId }) => accountId)).size).toBe(accounts.length);
  });

  test("go on when the clock of the machine is set back", async () => {
    const shard = begin(away);
    await shard.submit(order("a"));
    shard.clock.at -= 3_600_000;
    shard.own.tick();
    await shard.settle();
    expect(shard.sent.map(({ kind }) => kind)).toEqual(["grant_request", "grant_request"]);
  });

  test("leave purses alone that wait for nothing", async () => {
    const shard = begin();
    await shard.submit(deposit("1000"), order("a"));
    const batches = shard.store.batches.length;
    shard.clock.at += 1_000_000;
    shard.own.tick();
    await shard.settle();
    expect([shard.state.risk.ticking.size, shard.store.batches.length]).toEqual([0, batches]);
  });

  test("end an order that waits for its bank a little before its deadline", async () => {
    const shard = begin(away);
    await shard.submit(order("a"));
    shard.clock.at = START_AT + 59_000;
    shard.own.tick();
    expect(shard.answers).toEqual([]);
    shard.clock.at = START_AT + 59_900;
    shard.own.tick();
    expect(shard.answers).toMatchObject([{ requestId: 0, status: 503 }]);
    expect(JSON.parse(shard.answers[0]?.body ?? "").code).toBe("bank_unavailable");
    expect(shard.writer.waitingForBanks).toBe(0);
  });
});

describe("orders that wait for a bank", () => {
  test("are bounded, and told when the shard stops", async () => {
    const shard = begin(away);
    await shard.submit(order("a"), order("b"), order("c"));
    const codes = () => shard.answers.map(({ body }) => JSON.parse(body).code);
    expect([codes(), shard.writer.waitingForBanks]).toEqual([["overloaded"], 2]);
    shard.writer.drain();
    expect(codes()).toEqual(["overloaded", "shard_unavailable", "shard_unavailable"]);
    expect(shard.store.records).toEqual([]);
  });

  test("whose batch is lost are told so", async () => {
    const shard = begin(away);
    shard.store.failure = new CommitError(true, new Error("disk is full"));
    await shard.submit(order("a"));
    expect(shard.answers).toMatchObject([{ requestId: 0, status: 503 }]);
    expect([shard.sent, shard.writer.waitingForBanks]).toEqual([[], 0]);
  });
});

test("a shard of which a bank knows a later life stops", async () => {
  const shard = begin(riskTerms({ shardIndex: 2, shardIndexes: [1, 2], homeOf: () => 1 }));
  const { epoch } = shard.state;
  const key = { accountId: ACCOUNT, asset: "USDT", shardIndex: 2, term: 1 };
  const fenced = (currentEpoch: number): Command => ({
    kind: "bank",
    message: { kind: "fenced", ...key, epoch, currentEpoch },
  });
  await shard.submit(fenced(epoch));
  expect(shard.writer.state).toBe("filling");
  await shard.submit(fenced(epoch + 1));
  await new Promise(setImmediate);
  expect(shard.writer.state).toBe("failed");
  expect(shard.failures).toEqual([expect.stringContaining("a later epoch")]);
});
