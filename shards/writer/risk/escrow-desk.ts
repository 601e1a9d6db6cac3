/**
 * One batch's dealings with purses: each step's purse goes into the batch's overlay, and what is to
 * be said to other shards is kept until the batch has committed.
 */
import type { AccountId, OrderId } from "../../domain/brands.ts";
import type { BankMessage } from "../../domain/escrow/messages.ts";
import {
  deliver,
  type EscrowCounts,
  type PurseStep,
  realise,
  reserve,
  tick,
  transfer,
} from "../../domain/escrow/purse.ts";
import type { PurseKey } from "../../domain/escrow/types.ts";
import type { PositionChanged } from "../../domain/event.ts";
import { realisedBy } from "../../domain/risk/realised.ts";
import type { Overlay } from "../overlay.ts";
import type { RiskState } from "./risk-state.ts";

/** What the shard's own rights and the bank here say to an order that lacks rights. */
export type Reservation =
  | { readonly kind: "fits" | "waiting" | "unavailable" }
  | { readonly kind: "insufficient"; readonly freeMinor: bigint }
  | { readonly kind: "asked"; readonly reqSeq: number };

/** What a step brings for those who wait. */
export type StepResult = Pick<PurseStep, "reply" | "transfers">;

export class EscrowDesk {
  /** After the commit, in this order. */
  readonly sends: BankMessage[] = [];
  readonly alarms: string[] = [];
  /** A bank knows a later life of this shard: this file is an old copy. */
  isFenced = false;
  readonly counts: EscrowCounts[] = [];
  readonly #state: RiskState;
  readonly #overlay: Overlay;
  readonly #now: number;

  constructor(state: RiskState, overlay: Overlay, now: number) {
    this.#state = state;
    this.#overlay = overlay;
    this.#now = now;
  }

  #context(accountId: AccountId) {
    return this.#state.contextOf(accountId, this.#now);
  }

  #used({ accountId, asset }: PurseKey): bigint {
    return this.#overlay.usedMinor(accountId, asset);
  }

  /** Rights for `needMinor` more than is used. */
  reserve(key: PurseKey, needMinor: bigint): Reservation {
    const { held } = this.#overlay;
    const context = this.#context(key.accountId);
    const reserved = reserve(held.purse(key), this.#used(key), needMinor, context);
    if ("purse" in reserved) held.setPurse(reserved.purse);
    if (reserved.kind === "asked") this.sends.push(...reserved.send);
    return reserved;
  }

  deliver(message: BankMessage): StepResult {
    const { held } = this.#overlay;
    const context = this.#context(message.accountId);
    return this.#take(deliver(held.purse(message), this.#used(message), message, context));
  }

  tick(key: PurseKey): StepResult {
    const context = this.#context(key.accountId);
    return this.#take(tick(this.#overlay.held.purse(key), this.#used(key), context));
  }

  transfer(
    key: PurseKey,
    wanted: { readonly transferId: string; readonly amountMinor: bigint },
  ): StepResult {
    const context = this.#context(key.accountId);
    return this.#take(transfer(this.#overlay.held.purse(key), this.#used(key), wanted, context));
  }

  /** A fill's profit or loss and its fee; called right after the position has been changed. */
  realise({ position, fill, stamp }: PositionChanged): void {
    const { accountId, symbol } = position;
    const marginAsset = this.#overlay.instrument(symbol)?.marginAsset;
    if (marginAsset === undefined) throw new Error(`a fill in ${symbol}, which is not known`);
    const { executionId } = fill;
    const orderId = fill.orderId as OrderId;
    const { commitSeq } = stamp;
    for (const { asset, deltaMinor } of realisedBy(fill, marginAsset)) {
      this.#realise({ accountId, asset }, { orderId, executionId, commitSeq, deltaMinor });
    }
  }

  #realise(key: PurseKey, realised: Parameters<typeof realise>[2]): void {
    if (realised.deltaMinor === 0n) return;
    const { held } = this.#overlay;
    held.setPurse(
      realise(held.purse(key), this.#used(key), realised, this.#context(key.accountId)),
    );
  }

  #take(step: PurseStep): StepResult {
    this.#overlay.held.setPurse(step.purse);
    this.sends.push(...step.send);
    this.alarms.push(...step.alarms);
    this.isFenced ||= step.isFenced;
    this.counts.push(step.counts);
    return step;
  }
}
