/**
 * The writer between a purse's steps and the socket: whatever shards say to each other is durable
 * on their own file before it leaves, through failed commits and crashes at each of its steps.
 */
import { expect, test } from "bun:test";
import { MemoryStore } from "../../../tests/support/memory-store.ts";
import { printedSeed, type Random, randomOf, wholeOf } from "../../../tests/support/random.ts";
import { deposit } from "../../../tests/support/shard-network.ts";
import {
  ACCOUNT,
  emptyState,
  hashKey,
  limitRequest,
  PARTITIONS,
  riskTerms,
  START_AT,
  SYMBOLS,
} from "../../../tests/support/shard-state.ts";
import type { InstrumentSymbol, OrderId } from "../../domain/brands.ts";
import type { Command } from "../../domain/command.ts";
import { auditGranted, auditPurse } from "../../domain/escrow/audit.ts";
import { equityOf, grantedOf, shardOf } from "../../domain/escrow/ledger.ts";
import type { BankMessage } from "../../domain/escrow/messages.ts";
import { receiverOf } from "../../peers/peers.ts";
import { CommitError } from "../../process/commit-error.ts";
import { createLogger } from "../../process/logger.ts";
import { createRegistry } from "../../process/metrics.ts";
import type { Answer } from "../../protocol/answer.ts";
import { Admission } from "../admission.ts";
import { WriterMetrics } from "../metrics.ts";
import { OwnCommands } from "../own-commands.ts";
import type { ShardState } from "../state.ts";
import { Writer } from "../writer.ts";

const HOME = 1;
const SHARDS = [HOME, 2, 3] as const;
const [BTC] = SYMBOLS as [InstrumentSymbol];
const homeOf = (): number => HOME;

/** What goes wrong with a batch: at its commit, or right after it. */
const FAULTS = [
  "lost",
  "unknown, not stored",
  "unknown, stored",
  "crash before its frames",
] as const;
type Fault = (typeof FAULTS)[number] | null;

/** What the file alone knows of the purse. */
const durableIn = (store: MemoryStore) => store.loadRisk().purses[0];

/** Whether the file of its sender has what a message says; a sentence when it has not. */
const claimsTooMuch = (store: MemoryStore, message: BankMessage): string | null => {
  const purse = durableIn(store);
  const { allotment, bank } = purse ?? {};
  const row = bank ? shardOf(bank, message.shardIndex) : undefined;
  const isCovered = (): boolean => {
    switch (message.kind) {
      case "grant_request":
        return allotment?.pending?.reqSeq === message.reqSeq;
      case "event":
        return (allotment?.evtSeq ?? 0) >= message.event.evtSeq;
      case "recall_answer":
        return (allotment?.evtSeq ?? 0) >= message.afterEvt;
      case "grant_reply":
        if (row === undefined || row.lastReq < message.reqSeq) return false;
        return row.lastReq > message.reqSeq || row.replyGrantedMinor === message.grantedMinor;
      case "event_ack":
        return (row?.lastEvt ?? 0) >= message.evtSeq;
      default:
        return true;
    }
  };
  return isCovered() ? null : `${message.kind} left before its commit`;
};

/** One shard with its file; each life is a process. */
class Life {
  readonly store: MemoryStore;
  readonly shardIndex: number;
  readonly clock = { at: START_AT, now: () => this.clock.at, monotonicMs: () => 0 };
  readonly sent: BankMessage[] = [];
  readonly faults: string[] = [];
  readonly state: ShardState;
  readonly writer: Writer;
  readonly own: OwnCommands;
  /** Of the next commit. */
  fault: Fault = null;
  isOver = false;

  constructor(shardIndex: number, store: MemoryStore, before: Life | null) {
    this.shardIndex = shardIndex;
    this.store = store;
    const last = store.batches.at(-1);
    const terms = riskTerms({
      shardIndex,
      shardIndexes: SHARDS,
      homeOf,
      bankBoot: `boot-${store.batches.length}-${crypto.randomUUID()}`,
    });
    const streams = Array.from({ length: PARTITIONS }, (_, partition) => {
      const end = store.records.findLast((record) => record.partition === partition);
      return { partition, seq: end?.seq ?? 0, hash: end?.hash ?? "0".repeat(64) };
    });
    const { orderCounter = 0, commitSeq = 0 } = last ?? {};
    const openOrders = store.loadOpenOrders();
    const loaded = { shardIndex, orderCounter, commitSeq, openOrders, risk: store.loadRisk() };
    this.state = emptyState(before === null ? { shardIndex } : { ...loaded, streams }, terms);
    this.clock.at = before?.clock.at ?? START_AT;
    this.writer = new Writer({
      state: this.state,
      store: this.#failing(),
      hashKey,
      admission: new Admission({
        ...{ freeSpaceFloorBytes: 0, backlogRecordsMax: 1e6, backlogBytesMax: 1e9 },
      }),
      clock: this.clock,
      logger: createLogger("test", "silent"),
      metrics: new WriterMetrics(createRegistry({ shard: `shard${shardIndex}` })),
      limits: {
        batchOrdersMax: 4,
        intakeQueueMax: 1_000,
        intakeWaitMaxMs: 50,
        openOrdersMax: 1_000,
        grantWaitersMax: 100,
      },
      onCommitted: (committed) => this.own.committed(committed),
      onBankMessages: (messages) => this.#leave(messages),
      onDrained: () => {},
      onFailed: () => {
        this.isOver = true;
      },
    });
    this.own = new OwnCommands({
      ...{ state: this.state, writer: this.writer, clock: this.clock, intakeQueueMax: 1_000 },
    });
  }

  /** The file, as long as this process lives. */
  #failing(): MemoryStore {
    const { store } = this;
    return new Proxy(store, {
      get: (target, name) => {
        if (name === "commit") return this.#commit;
        const value = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  }

  readonly #commit: MemoryStore["commit"] = (batch) => {
    const { fault } = this;
    if (this.isOver) throw new CommitError(true, new Error("the process is gone"));
    if (fault !== "crash before its frames") this.fault = null;
    if (fault === "lost") throw new CommitError(true, new Error("no space"));
    if (fault === "unknown, not stored") throw new CommitError(false, new Error("no answer"));
    this.store.commit(batch);
    if (fault === "unknown, stored") throw new CommitError(false, new Error("no answer"));
  };

  #leave(messages: readonly BankMessage[]): void {
    if (this.isOver) return;
    if (this.fault === "crash before its frames") {
      this.isOver = true;
      return;
    }
    this.sent.push(...messages);
    for (const message of messages) {
      const fault = claimsTooMuch(this.store, message);
      if (fault !== null) this.faults.push(fault);
    }
  }

  submit(command: Command): Promise<Answer> {
    const { promise, resolve } = Promise.withResolvers<Answer>();
    this.writer.submit({ answer: resolve }, 0, this.clock.at + 5_000, command);
    return promise;
  }

  async settle(): Promise<void> {
    do await new Promise(setImmediate);
    while (this.writer.waiting > 0);
  }
}

/** Three of them and a network that loses, doubles and reorders. */
class World {
  readonly lives = new Map<number, Life>(
    SHARDS.map((index) => [index, new Life(index, new MemoryStore(), null)]),
  );
  readonly inFlight: BankMessage[] = [];
  readonly faults: string[] = [];
  readonly tried = new Set<string>();
  readonly said = new Set<string>();

  life(index: number): Life {
    const life = this.lives.get(index);
    if (life === undefined) throw new Error(`no shard ${index}`);
    return life;
  }

  async run(index: number, command: Command): Promise<void> {
    void this.life(index).submit(command);
    await this.collect();
  }

  /** Lets all work, takes up what they say, and starts those that have ended on their files. */
  async collect(): Promise<void> {
    for (const [index, life] of this.lives) {
      await life.settle();
      for (const message of life.sent.splice(0)) {
        this.said.add(message.kind);
        this.inFlight.push(message);
      }
      this.faults.push(...life.faults.splice(0));
      if (life.isOver) this.lives.set(index, new Life(index, life.store, life));
    }
  }

  async deliver(place: number, keeps: boolean): Promise<void> {
    const [message] = this.inFlight.splice(place, 1);
    if (message === undefined) return;
    if (keeps) this.inFlight.push(message);
    await this.run(receiverOf(message, homeOf), { kind: "bank", message });
  }

  async tick(ms: number): Promise<void> {
    for (const life of this.lives.values()) {
      life.clock.at += ms;
      life.own.tick();
    }
    await this.collect();
  }

  /** The network heals, nothing fails any more: what is on its way arrives. */
  async heal(): Promise<void> {
    for (const life of this.lives.values()) life.fault = null;
    for (let round = 0; round < 40; round++) {
      while (this.inFlight.length > 0) await this.deliver(0, false);
      await this.tick(500);
    }
  }

  audit(): readonly string[] {
    const home = durableIn(this.life(HOME).store)?.bank;
    if (!home) return [];
    const held = SHARDS.flatMap((shardIndex) => {
      const { allotment } = durableIn(this.life(shardIndex).store) ?? {};
      return allotment === undefined ? [] : [{ shardIndex, allotment }];
    });
    const purses = [...this.lives.values()].flatMap(({ state }) => [...state.risk.purses.all()]);
    return [
      ...this.faults,
      ...auditGranted(
        home,
        held.filter(({ shardIndex }) => shardIndex !== HOME),
      ),
      ...purses.flatMap(({ purse }) => auditPurse(purse, HOME)),
      ...purses
        .filter(({ purse, usedMinor }) => usedMinor > purse.allotment.rightsMinor)
        .map(({ usedMinor }) => `${usedMinor} are used beyond the rights`),
    ];
  }
}

const order = (number: number, quantity: string): Command => ({
  kind: "place",
  accountId: ACCOUNT,
  request: limitRequest({ clientOrderId: `o-${number}`, quantity }),
});

const cancelled = (number: number, orderId: OrderId): Command => ({
  kind: "execute",
  execution: {
    ...{ executionId: `e-${number}`, orderId, symbol: BTC, kind: "CANCEL" as const, at: START_AT },
    ...{ price: null, quantity: null, fee: null, feeAsset: null },
  },
});

const RUNS = 12;
const STEPS = 150;
const SAID = ["event", "event_ack", "grant_reply", "grant_request", "recall", "recall_answer"];

const stepOf = async (world: World, random: Random, step: number): Promise<void> => {
  const upTo = (most: number): number => wholeOf(random, 0, most);
  const index = SHARDS[upTo(2)] ?? HOME;
  const life = world.life(index);
  if (upTo(5) === 0) {
    life.fault = FAULTS[upTo(FAULTS.length - 1)] ?? null;
    world.tried.add(String(life.fault));
  }
  const [first] = life.store.loadOpenOrders();
  const action = upTo(9);
  if (action <= 1) await world.run(index, order(step, `0.00${1 + upTo(3)}`));
  else if (action === 2 && first) await world.run(index, cancelled(step, first.orderId));
  else if (action === 3) {
    await world.run(HOME, deposit(upTo(1) === 0 ? "5" : "-5", `t-${step}`));
  } else if (action <= 7) {
    await world.deliver(upTo(Math.max(0, world.inFlight.length - 1)), upTo(9) === 0);
  } else if (action === 8) world.inFlight.splice(upTo(3), 1);
  else await world.tick(upTo(300));
};

/** All that was granted is held, and nobody waits for anything. */
const expectRest = (world: World): void => {
  const bank = durableIn(world.life(HOME).store)?.bank;
  const rightsMinor = SHARDS.reduce((sum, index) => {
    const { allotment } = durableIn(world.life(index).store) ?? {};
    expect([allotment?.pending ?? null, allotment?.outbox ?? []]).toEqual([null, []]);
    return sum + (allotment?.rightsMinor ?? 0n);
  }, 0n);
  expect([bank && grantedOf(bank), bank && equityOf(bank) >= rightsMinor]).toEqual([
    ...[rightsMinor, true],
  ]);
  for (const { writer } of world.lives.values()) expect(writer.waitingForBanks).toBe(0);
};

test("nothing that a shard says is ahead of its file, whatever fails and in whatever order", async () => {
  const random = randomOf(printedSeed("bank frames"));
  const tried = new Set<string>();
  const said = new Set<string>();
  for (let run = 0; run < RUNS; run++) {
    const world = new World();
    await world.run(HOME, deposit("25"));
    for (let step = 0; step < STEPS; step++) {
      await stepOf(world, random, step);
      expect({ run, step, faults: world.audit() }).toEqual({ run, step, faults: [] });
    }
    await world.heal();
    expect({ run, faults: world.audit() }).toEqual({ run, faults: [] });
    expectRest(world);
    for (const one of world.tried) tried.add(one);
    for (const one of world.said) said.add(one);
  }
  // Whatever the seed, a dozen runs come to everything.
  expect([[...tried].sort(), [...said].sort()]).toEqual([[...FAULTS].sort(), SAID]);
});
