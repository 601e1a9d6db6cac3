/**
 * A small exchange around the real allotment code: shards with orders in place of writers, a
 * network that a scheduler abuses, and crashes that leave what was durable. Everything that a
 * writer would do with a step is done here, so that the properties can be tried on whole accounts.
 */
import type { OrderId } from "../../shards/domain/brands.ts";
import { shardOf } from "../../shards/domain/escrow/ledger.ts";
import type { BankMessage } from "../../shards/domain/escrow/messages.ts";
import {
  deliver,
  dueToSend,
  type EscrowContext,
  emptyPurse,
  type Purse,
  type PurseStep,
  realise,
  reserve,
  restorePurse,
  tick,
  transfer,
  unusedOf,
} from "../../shards/domain/escrow/purse.ts";
import type { ReplyCode } from "../../shards/domain/escrow/types.ts";
import {
  type Ghosts,
  KEY,
  type Place,
  type Refused,
  usedOf,
  type Waiter,
  type WorldSettings,
} from "./escrow-place.ts";

export class World {
  places: ReadonlyMap<number, Place>;
  network: readonly BankMessage[] = [];
  now = 1_000;
  violation: string | null = null;
  ghosts: Ghosts = {
    emptyAt: new Map(),
    requestedAt: new Map(),
    appliedOnce: new Set(),
    outcomes: new Map(),
    madeMinor: 0n,
    movedMinor: 0n,
    unsecuredMinor: 0n,
  };
  /** The next commit is the last of its process: nothing of it is sent. */
  crashAfterCommit = false;
  /** What happened; grows for all worlds that share it. */
  seen: Map<string, number> = new Map();

  /** `falseRefusal` says what is wrong with a refusal, at its moment. */
  constructor(
    readonly settings: WorldSettings,
    private readonly falseRefusal: (world: World, refused: Refused) => string | null,
  ) {
    this.places = new Map(settings.shardIndexes.map((index) => [index, this.emptyPlace(index)]));
  }

  copy(): World {
    return Object.assign(Object.create(World.prototype) as World, this);
  }

  place(index: number): Place {
    const place = this.places.get(index);
    if (place === undefined) {
      throw new Error(`There is no shard ${index}.`);
    }
    return place;
  }

  get home(): Place {
    return this.place(this.settings.homeIndex);
  }

  context(index: number, place?: Place): EscrowContext {
    const { homeIndex, shardIndexes, policy } = this.settings;
    return {
      shardIndex: index,
      epoch: 1,
      homeIndex,
      shardIndexes,
      now: this.now,
      bankBoot: `boot${place?.boot ?? 0}`,
      bankTerm: 1,
      replicatedCommitSeq: place?.replicatedSeq ?? 0,
      isReconciling: false,
      policy,
    };
  }

  submit(index: number, key: string, needMinor: bigint): void {
    const place = this.place(index);
    if (!place.orders.has(key) && !place.waiters.some((waiter) => waiter.key === key)) {
      this.commit(index, this.enter(index, { key, needMinor, reqSeq: null }));
    }
  }

  cancel(index: number, key: string): void {
    this.closeOrder(index, key);
    this.commit(index, []);
  }

  /** The order closes; `positionMinor` of what it used stays used, or more. */
  fill(index: number, key: string, deltaMinor: bigint, positionMinor: bigint): void {
    this.closeOrder(index, key);
    this.realise(index, deltaMinor, this.place(index).positionMinor + positionMinor);
  }

  closePosition(index: number, deltaMinor: bigint): void {
    this.realise(index, deltaMinor, 0n);
  }

  move(transferId: string, amountMinor: bigint): void {
    const { home } = this;
    if (!home.transfers.has(transferId)) {
      const context = this.context(home.index, home);
      const wanted = { transferId, amountMinor };
      this.take(home.index, transfer(home.purse, usedOf(home), wanted, context));
    }
  }

  /** Delivers without taking it off the network. */
  deliver(message: BankMessage): void {
    const index = "term" in message ? message.shardIndex : this.settings.homeIndex;
    const place = this.place(index);
    const before = place.purse;
    const step = deliver(before, usedOf(place), message, this.context(index, place));
    this.noteApplied(before, step.purse, message);
    this.take(index, step);
  }

  tick(index: number): void {
    const place = this.place(index);
    this.take(index, tick(place.purse, usedOf(place), this.context(index, place)));
  }

  replicate(index: number): void {
    const { commitSeq } = this.place(index);
    this.change(index, { replicatedSeq: commitSeq });
  }

  /** What was durable, a new process, and what it sends at its start. */
  crash(index: number): void {
    const { purse, boot } = this.place(index);
    const restored = restorePurse(KEY, purse.allotment, purse.bank);
    this.change(index, { purse: restored, waiters: [], boot: boot + 1 });
    this.count("crash");
  }

  reconnect(index: number): void {
    const place = this.place(index);
    this.commit(index, dueToSend(place.purse, this.context(index, place)));
  }

  /** The client gives up; the request goes on. */
  forget(index: number, key: string): void {
    const { waiters } = this.place(index);
    this.change(index, { waiters: waiters.filter((waiter) => waiter.key !== key) });
  }

  count(what: string): void {
    this.seen.set(what, (this.seen.get(what) ?? 0) + 1);
  }

  change(index: number, fields: Partial<Place>): void {
    this.places = new Map(this.places).set(index, { ...this.place(index), ...fields });
  }

  fail(violation: string): void {
    this.violation ??= violation;
  }

  private emptyPlace(index: number): Place {
    return {
      index,
      purse: emptyPurse(KEY, this.context(index)),
      orders: new Map(),
      positionMinor: 0n,
      transfers: new Map(),
      commitSeq: 0,
      replicatedSeq: 0,
      waiters: [],
      boot: 0,
      growth: 0,
    };
  }

  private commit(index: number, send: readonly BankMessage[]): void {
    const { growth } = this.place(index);
    for (const message of send) {
      if (message.kind === "grant_request") {
        this.noteOnce("requestedAt", `${index}.${message.reqSeq}`, growth);
      } else if (message.kind === "recall_answer" && message.isEmpty) {
        const claim = message.recallId.slice(0, message.recallId.lastIndexOf("."));
        this.noteOnce("emptyAt", `${claim}/${index}`, growth);
      }
    }
    if (this.crashAfterCommit) {
      this.crashAfterCommit = false;
      this.crash(index);
    } else {
      this.network = [...this.network, ...send];
    }
  }

  /** Order entry of one waiting order: what it finds is done, what it sends is returned. */
  private enter(index: number, waiter: Waiter): readonly BankMessage[] {
    const place = this.place(index);
    const { key, needMinor } = waiter;
    const context = this.context(index, place);
    const reserved = reserve(place.purse, usedOf(place), needMinor, context);
    this.count(`reserved ${reserved.kind}`);
    if (reserved.kind === "waiting") {
      this.change(index, { waiters: [...place.waiters, { ...waiter, reqSeq: null }] });
    } else if (reserved.kind === "asked") {
      const { purse, reqSeq } = reserved;
      this.change(index, { purse, waiters: [{ ...waiter, reqSeq }, ...place.waiters] });
      return reserved.send;
    } else if (reserved.kind === "fits") {
      this.change(index, { purse: reserved.purse });
      this.open(index, key, needMinor, "open");
    } else if (reserved.kind === "insufficient") {
      const refused: Refused = {
        claimant: { kind: "home", reqSeq: 0, needMinor },
        deciding: null,
        promisedMinor: 0n,
      };
      this.change(index, { purse: reserved.purse });
      this.checkRefused(refused);
      this.open(index, key, needMinor, "refused");
    }
    return [];
  }

  private open(index: number, key: string, needMinor: bigint, state: "open" | "refused"): void {
    const outcomes = this.ghosts.outcomes.get(key) ?? 0;
    if (outcomes > 0) {
      this.fail(`S6 order ${key} has got a second outcome`);
    }
    this.ghosts = {
      ...this.ghosts,
      outcomes: new Map(this.ghosts.outcomes).set(key, outcomes + 1),
    };
    const { orders } = this.place(index);
    this.change(index, { orders: new Map(orders).set(key, { needMinor, state }) });
  }

  private closeOrder(index: number, key: string): void {
    const { orders, growth } = this.place(index);
    const order = orders.get(key);
    if (order !== undefined) {
      this.change(index, {
        orders: new Map(orders).set(key, { ...order, state: "closed" }),
        growth: growth + 1,
      });
    }
  }

  private realise(index: number, deltaMinor: bigint, positionMinor: bigint): void {
    const commitSeq = this.place(index).commitSeq + 1;
    this.change(index, { positionMinor, commitSeq, growth: this.place(index).growth + 1 });
    const place = this.place(index);
    const realised = { deltaMinor, orderId: 1 as OrderId, executionId: `${commitSeq}`, commitSeq };
    const context = this.context(index, place);
    this.change(index, { purse: realise(place.purse, usedOf(place), realised, context) });
    const beyondMinor = -deltaMinor - unusedOf(place.purse, usedOf(place));
    const { madeMinor, unsecuredMinor } = this.ghosts;
    this.ghosts = {
      ...this.ghosts,
      madeMinor: madeMinor + deltaMinor,
      unsecuredMinor: unsecuredMinor + (deltaMinor < 0n && beyondMinor > 0n ? beyondMinor : 0n),
    };
    this.commit(index, []);
  }

  /** One step of the protocol, and all that the writer does with it in the same commit. */
  private take(index: number, step: PurseStep): void {
    const before = this.place(index);
    this.change(index, { purse: step.purse });
    this.noteStep(index, before, step);
    for (const { transferId, amountMinor, outcome } of step.transfers) {
      this.count(`transfer ${outcome}`);
      if (outcome !== "UNAVAILABLE") {
        const { transfers } = this.place(index);
        this.change(index, { transfers: new Map(transfers).set(transferId, outcome) });
      }
      if (outcome === "PAID") {
        this.ghosts = { ...this.ghosts, movedMinor: this.ghosts.movedMinor + amountMinor };
      }
    }
    const send = [...step.send];
    if (step.reply !== null) {
      this.count(`reply ${step.reply.code}`);
      send.push(...this.answer(index, step.reply.reqSeq, step.reply.code));
    }
    this.commit(index, send);
  }

  /** H2: the bound order is decided, then those behind it are tried. */
  private answer(index: number, reqSeq: number, code: ReplyCode): readonly BankMessage[] {
    const { waiters } = this.place(index);
    const bound = waiters.find((waiter) => waiter.reqSeq === reqSeq);
    if (bound !== undefined) {
      this.change(index, { waiters: waiters.filter((waiter) => waiter !== bound) });
      const place = this.place(index);
      if (unusedOf(place.purse, usedOf(place)) >= bound.needMinor) {
        this.open(index, bound.key, bound.needMinor, "open");
      } else if (code === "INSUFFICIENT") {
        this.open(index, bound.key, bound.needMinor, "refused");
      } else if (code === "OK" && !this.settings.overhangs) {
        this.fail("S5 an order does not fit although its request was granted");
      }
    }
    const send: BankMessage[] = [];
    for (const waiter of this.place(index).waiters) {
      const rest = this.place(index).waiters.filter((other) => other !== waiter);
      this.change(index, { waiters: rest });
      send.push(...this.enter(index, waiter));
    }
    return send;
  }

  private noteOnce(which: "emptyAt" | "requestedAt", name: string, growth: number): void {
    if (!this.ghosts[which].has(name)) {
      const noted = new Map(this.ghosts[which]).set(name, growth);
      this.ghosts = { ...this.ghosts, [which]: noted };
    }
  }

  /** S3: an event changes the bank once, a reply changes rights once. */
  private noteApplied(before: Purse, after: Purse, message: BankMessage): void {
    let name: string | null = null;
    if (message.kind === "event" && before.bank !== null && after.bank !== null) {
      const lastEvt = (bank: NonNullable<Purse["bank"]>) =>
        shardOf(bank, message.shardIndex)?.lastEvt;
      const isApplied = lastEvt(before.bank) !== lastEvt(after.bank);
      name = isApplied ? `event ${message.shardIndex}.${message.event.evtSeq}` : null;
    } else if (message.kind === "grant_reply" && message.grantedMinor > 0n) {
      const isCredited = after.allotment.rightsMinor !== before.allotment.rightsMinor;
      name = isCredited ? `grant ${message.shardIndex}.${message.reqSeq}` : null;
      if (isCredited) {
        const { growth } = this.place(message.shardIndex);
        this.change(message.shardIndex, { growth: growth + 1 });
      }
    }
    if (name !== null && this.ghosts.appliedOnce.has(name)) {
      this.fail(`S3 ${name} was applied twice`);
    } else if (name !== null) {
      this.ghosts = { ...this.ghosts, appliedOnce: new Set(this.ghosts.appliedOnce).add(name) };
    }
  }

  private noteStep(index: number, before: Place, step: PurseStep): void {
    if (step.alarms.length > 0 || step.isFenced) {
      this.fail(`alarm: ${step.alarms.join("; ")}`);
    }
    if (step.counts.recallsTimedOut > 0) {
      this.count("recall timed out");
    }
    if ((step.purse.deciding?.round ?? 0) > (before.purse.deciding?.round ?? 0)) {
      this.count("second round");
    }
    if (index !== this.settings.homeIndex) {
      return;
    }
    const { deciding } = before.purse;
    const was = [...(deciding ? [deciding.claimant] : []), ...before.purse.queue];
    const ownClaim = was.find(({ kind }) => kind === "home");
    const promisedMinor = step.reply?.code === "OK" ? (ownClaim?.needMinor ?? 0n) : 0n;
    for (const message of step.send) {
      if (message.kind === "grant_reply" && message.code === "INSUFFICIENT") {
        const { shardIndex, reqSeq } = message;
        const row = before.purse.bank && shardOf(before.purse.bank, shardIndex);
        if (row && row.lastReq < reqSeq) {
          const needMinor = this.place(shardIndex).purse.allotment.pending?.needMinor ?? 0n;
          const claimant = { kind: "shard", shardIndex, reqSeq, needMinor } as const;
          this.checkRefused({ claimant, deciding, promisedMinor });
        }
      }
    }
    if (step.reply?.code === "INSUFFICIENT" && ownClaim) {
      this.checkRefused({ claimant: ownClaim, deciding, promisedMinor });
    }
    for (const { transferId, amountMinor, outcome } of step.transfers) {
      if (outcome === "REFUSED") {
        const claimant = { kind: "withdrawal", transferId, needMinor: -amountMinor } as const;
        this.checkRefused({ claimant, deciding, promisedMinor });
      }
    }
  }

  private checkRefused(refused: Refused): void {
    this.count(`refused ${refused.claimant.kind}`);
    this.violation ??= this.settings.overhangs ? null : this.falseRefusal(this, refused);
  }
}
