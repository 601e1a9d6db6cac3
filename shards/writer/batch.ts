/**
 * Turns a batch of commands into one transaction's writes and everybody's answers. Nothing outside
 * the overlay changes here but who waits: commands that need rights which only a bank can give wait
 * in the room and are decided in the batch that brings the answer.
 */
import type { Command } from "../domain/command.ts";
import type { DecidedCommand, Decision, Funding } from "../domain/decide/types.ts";
import { decide } from "../domain/decide.ts";
import { accountKey, renderAccount } from "../domain/entities.ts";
import type { GrantOutcome } from "../domain/escrow/purse.ts";
import type { PurseKey } from "../domain/escrow/types.ts";
import type { Problem } from "../domain/problem.ts";
import type { Answer } from "../protocol/answer.ts";
import {
  type AnswerPart,
  type BatchCounts,
  type BatchParts,
  perform,
  problemAnswer,
} from "./answers.ts";
import type { Waiting } from "./intake-queue.ts";
import type { Overlay } from "./overlay.ts";
import { EscrowDesk, type StepResult } from "./risk/escrow-desk.ts";
import type { TransferRoom } from "./risk/transfer-room.ts";
import { decideTransfer, transferAnswer } from "./risk/transfers.ts";
import { type Asker, commandOf, type Waiter, type WaitingRoom } from "./risk/waiting-room.ts";
import type { ShardState } from "./state.ts";
import type { WriterStore } from "./store-port.ts";

/** An answer without the times, which are known only after the commit. */
export type Draft<Sender> = Omit<Answer, "timing"> & { readonly sender: Sender };

export interface BatchOptions<Sender> {
  readonly overlay: Overlay;
  readonly state: ShardState;
  readonly store: Pick<WriterStore, "findTransfer">;
  readonly room: WaitingRoom<Sender>;
  readonly transfers: TransferRoom<Sender>;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** How often one order may be decided anew with the rights it asked for: they do not run away. */
const RESERVATIONS_MAX = 3;

export class Batch<Sender> {
  readonly drafts: Draft<Sender>[] = [];
  readonly counts: BatchCounts = { accepted: 0, refused: 0, triggered: 0, quarantined: 0 };
  readonly desk: EscrowDesk;
  /** Those that began to wait in this batch: if it is lost, they have to be told. */
  readonly parked = new Set<Waiter<Sender>>();
  readonly parkedTransfers = new Set<Waiting<Sender>>();
  /** Answered here for a decision that began before: if the batch is lost, it is still open. */
  readonly openTransfers = new Set<Waiting<Sender>>();
  readonly #options: BatchOptions<Sender>;
  readonly #parts: BatchParts;

  constructor(options: BatchOptions<Sender>) {
    const { overlay, state, now } = options;
    this.#options = options;
    this.desk = new EscrowDesk(state.risk, overlay, now);
    this.#parts = { overlay, state, desk: this.desk, counts: this.counts };
  }

  /** Decides one command. */
  take(waiting: Waiting<Sender>): void {
    const { command } = waiting;
    switch (command.kind) {
      case "bank":
        this.#stepped(command.message, this.desk.deliver(command.message));
        this.#answer(waiting, DONE);
        return;
      case "purse_tick":
        this.#stepped(command, this.desk.tick(command));
        this.#answer(waiting, DONE);
        return;
      case "transfer":
        this.#transfer(waiting, command);
        return;
      case "cancel_many":
        this.#endWaiters(command);
        this.#settle([{ ...waiting, command }], this.#decide(command, "ask"));
        return;
      default: {
        const asker = waiting as Asker<Sender>;
        if (!this.#joined(asker)) this.#ask({ askers: [asker] });
      }
    }
  }

  /** The last records: what changed at the banks of this shard, once for each. */
  finish(): void {
    const { overlay } = this.#options;
    for (const { key, bank } of overlay.held.changedBanks()) {
      if (bank === null) continue;
      const { accountId, asset } = key;
      const stamp = overlay.nextStamp(accountKey(accountId));
      const value = renderAccount(accountId, asset, bank);
      overlay.add({ type: "account_changed", stamp, accountId, asset, value });
    }
  }

  #decide(command: DecidedCommand, funding: Funding): Decision {
    return decide(this.#options.overlay, command, this.#options.now, funding);
  }

  #answer({ sender, requestId }: Waiting<Sender>, answer: AnswerPart): void {
    this.drafts.push({ sender, requestId, ...answer });
  }

  /** Performs a decision for the first who asked; the others get what has become of it. */
  #settle(askers: readonly Asker<Sender>[], decision: Decision): void {
    const [first, ...others] = askers;
    if (first === undefined) return;
    if (decision.kind === "short") {
      for (const asker of askers) this.#answer(asker, problemAnswer(STILL_SHORT));
      return;
    }
    this.#answer(first, perform(this.#parts, decision, first.command));
    for (const other of others) this.#settle([other], this.#decide(other.command, "ask"));
  }

  /** Decides; what lacks rights asks for them and waits. `waiter` is not in the room. */
  #ask(
    { askers, key }: { readonly askers: readonly Asker<Sender>[]; readonly key?: PurseKey },
    place: "back" | "front" = "back",
  ): "decided" | "waits" {
    const command = askers[0]?.command;
    if (command === undefined) return "decided";
    for (let i = 0; i < RESERVATIONS_MAX; i++) {
      const decision = this.#decide(command, "ask");
      if (decision.kind !== "short") {
        this.#settle(askers, decision);
        return "decided";
      }
      // Who waits for one purse and turns out to need another waits behind those of that one.
      const isSame = key?.accountId === decision.key.accountId && key.asset === decision.key.asset;
      const reserved = this.desk.reserve(decision.key, decision.needMinor);
      if (reserved.kind === "insufficient") {
        this.#settle(askers, this.#decide(command, reserved));
        return "decided";
      }
      if (reserved.kind === "unavailable") {
        this.#refuse(askers, this.#unavailable(decision.key));
        return "decided";
      }
      if (reserved.kind !== "fits") {
        const reqSeq = reserved.kind === "asked" ? reserved.reqSeq : null;
        this.#park({ key: decision.key, askers, reqSeq }, isSame ? place : "back");
        return "waits";
      }
    }
    this.#refuse(askers, STILL_SHORT);
    return "decided";
  }

  #park(waiter: Waiter<Sender>, place: "back" | "front"): void {
    const { room } = this.#options;
    if (room.isFull) {
      this.#refuse(waiter.askers, ROOM_FULL);
      return;
    }
    room.park(waiter, place);
    this.parked.add(waiter);
  }

  #refuse(askers: readonly Waiting<Sender>[], problem: Problem): void {
    for (const asker of askers) this.#answer(asker, problemAnswer(problem));
  }

  #unavailable({ accountId, asset }: PurseKey): Problem {
    return whyUnsettled(this.#options.overlay, { accountId, asset }) ?? OUTBOX_FULL;
  }

  /** Whether the command repeats an order that waits. */
  #joined(waiting: Asker<Sender>): boolean {
    const joined = this.#options.room.join(waiting);
    if (joined === undefined) return false;
    const { waiter, differs } = joined;
    if (differs.length === 0) this.parked.add(waiter);
    else this.#answer(waiting, problemAnswer(reused(commandOf(waiter), differs)));
    return true;
  }

  /** What a purse's step means for those who wait for it. */
  #stepped({ accountId, asset }: PurseKey, { reply, transfers }: StepResult): void {
    const { room } = this.#options;
    const key = { accountId, asset };
    for (const result of transfers) this.#transferred(key, result);
    const bound = reply === null ? undefined : room.takeBound(key, reply.reqSeq);
    if (reply !== null && bound !== undefined) this.#replied(bound, reply);
    if (room.hasWaiters(key)) this.#next(key);
  }

  /** The bank has answered the request that was made for this command. */
  #replied(waiter: Waiter<Sender>, outcome: GrantOutcome): void {
    const { askers } = waiter;
    const { code } = outcome;
    const isFinal = code === "INSUFFICIENT";
    const decision = this.#decide(commandOf(waiter), isFinal ? outcome : "ask");
    if (decision.kind !== "short" || code === "OK") this.#settle(askers, decision);
    else if (code === "UNAVAILABLE") this.#refuse(askers, NO_ANSWER);
    else this.#ask(waiter, "front");
  }

  /** Those behind, one by one, until one has to ask. */
  #next(key: PurseKey): void {
    for (;;) {
      const waiter = this.#options.room.takeNext(key);
      if (waiter === undefined || this.#ask(waiter, "front") === "waits") return;
    }
  }

  #endWaiters({ accountId, symbol }: Extract<Command, { readonly kind: "cancel_many" }>): void {
    for (const { askers } of this.#options.room.takeOf(accountId, symbol)) {
      this.#refuse(askers, CANCELLED_WAITING);
    }
  }

  #transfer(
    waiting: Waiting<Sender>,
    command: Extract<Command, { readonly kind: "transfer" }>,
  ): void {
    const { overlay, state, store, transfers } = this.#options;
    const decided = decideTransfer({ overlay, state, store }, command);
    if (decided.kind === "answer") {
      this.#answer(waiting, decided.answer);
      return;
    }
    const { key, wanted } = decided;
    transfers.park(key, wanted.transferId, waiting);
    this.parkedTransfers.add(waiting);
    if (decided.kind === "new") this.#stepped(key, this.desk.transfer(key, wanted));
  }

  #transferred(key: PurseKey, result: StepResult["transfers"][number]): void {
    const { overlay, transfers, now } = this.#options;
    const { transferId, amountMinor, outcome } = result;
    const askers = transfers.take(key, transferId);
    for (const asker of askers) {
      if (!this.parkedTransfers.has(asker)) this.openTransfers.add(asker);
    }
    if (outcome === "UNAVAILABLE") {
      this.#refuse(askers, NO_ANSWER);
      return;
    }
    const { accountId, asset } = key;
    const stamp = overlay.nextStamp(accountKey(accountId));
    const transfer = { transferId, amountMinor, outcome, at: now };
    overlay.add({ type: "transfer_decided", stamp, accountId, asset, ...transfer });
    for (const asker of askers) {
      this.#answer(asker, transferAnswer(key, transfer, { kind: "final", place: stamp }));
    }
  }
}

const DONE: AnswerPart = { status: 200, kind: "final", place: null, body: "null" };

const unavailable = (detail: string): Problem => ({ code: "bank_unavailable", detail });
const STILL_SHORT = unavailable(
  "The rights that the bank granted were used by another order. Nothing was stored: ask again.",
);
const NO_ANSWER = unavailable(
  "A shard that holds rights of the account did not answer its bank in time. Nothing was stored.",
);
const OUTBOX_FULL = unavailable(
  "Too much waits to be told to the account's bank; reduce-only orders and cancels are taken.",
);
const RECONCILING = unavailable(
  "This shard's file was restored and its rights are not confirmed yet: reduce-only orders and " +
    "cancels are taken, nothing else.",
);
/** Why a purse can have no rights at all; undefined when it is settled. */
export const whyUnsettled = (overlay: Overlay, key: PurseKey): Problem | undefined =>
  overlay.held.purse(key).allotment.state === "LIVE" ? undefined : RECONCILING;

const CANCELLED_WAITING = unavailable(
  "The account cancelled its orders while this one waited for its bank. Nothing was stored.",
);
const ROOM_FULL: Problem = {
  code: "overloaded",
  detail: "Too many orders wait for their banks. Nothing happened.",
};

const reused = (command: Command, fields: readonly string[]): Problem => {
  const clientOrderId = command.kind === "place" ? command.request.clientOrderId : "";
  return {
    code: "client_order_id_reused",
    detail: `${clientOrderId} waits for an order that differs in ${fields.join(", ")}.`,
    context: { clientOrderId, fields },
  };
};
