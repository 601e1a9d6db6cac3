/**
 * The allotment protocol as its users see it: immutable purses in, immutable purses and messages
 * out, for the writer's transactions. Rules and their numbers are in docs/ALLOTMENTS.md.
 *
 * It promises that rights are debited durably before they are credited anywhere, that every unit
 * is in exactly one place (a shard's rights, an event, a stored reply, or free at the bank), and
 * that `INSUFFICIENT` is only said when the account lacked the money. It promises nothing about
 * when: a bank that does not answer leaves the shard with the rights it has.
 *
 * `usedMinor` is always what orders and positions of the account need on this shard now. The caller
 * makes the purse durable before it sends anything, and calls `tick` while `needsTick` says so.
 */

import { fitsMoney } from "../risk/money.ts";
import {
  addTransfer,
  admits,
  onEvent,
  onGrantRequest,
  onRecallAnswer,
  realiseHome,
  tickBank,
} from "./bank.ts";
import { claimHome, grantHome, hasHomeClaim, isUndecided, settle } from "./decision.ts";
import { freeOf, isReady, lesserOf, unsecuredPartOf } from "./ledger.ts";
import type { BankMessage, ToBank, ToShard } from "./messages.ts";
import {
  addRealised,
  onEventAck,
  onFenced,
  onGrantReply,
  onRecall,
  type Realised,
  request,
  tickShard,
} from "./shard.ts";
import { type EscrowContext, overhangOf, type Purse, unusedOf } from "./state.ts";
import { changeAllotment, closeDraft, type Draft, openDraft, type PurseStep } from "./step.ts";

export { undecidedWithdrawal } from "./decision.ts";
export { equityOf, freeOf, inTransitOf, unsecuredOf } from "./ledger.ts";
export type { Realised } from "./shard.ts";
export { dueToSend } from "./shard.ts";
export type { EscrowContext, Purse } from "./state.ts";
export { emptyPurse, overhangOf, restorePurse, unusedOf } from "./state.ts";
export type { EscrowCounts, GrantOutcome, PurseStep, TransferResult } from "./step.ts";

/** What an order finds. `insufficient` and `asked` change the purse: they are stored as well. */
export type Reserved =
  /** It may be opened now. */
  | { readonly kind: "fits"; readonly purse: Purse }
  /** Its own request is on the way; the order waits for the reply with this number. */
  | {
      readonly kind: "asked";
      readonly purse: Purse;
      readonly send: readonly BankMessage[];
      readonly reqSeq: number;
    }
  /** Another request is; the order waits behind it and is tried again after its reply. */
  | { readonly kind: "waiting" }
  /** The account lacks the money, and the home knows it at once. */
  | { readonly kind: "insufficient"; readonly purse: Purse; readonly freeMinor: bigint }
  /** The purse takes no new exposure now. */
  | { readonly kind: "unavailable" };

/** H1: `needMinor` is by how much the order raises what is used; ≤ 0 always fits. */
export const reserve = (
  purse: Purse,
  usedMinor: bigint,
  needMinor: bigint,
  context: EscrowContext,
): Reserved => {
  if (needMinor <= 0n) {
    return { kind: "fits", purse };
  }
  const { state, outbox, pending } = purse.allotment;
  if (state !== "LIVE" || outbox.length >= context.policy.outboxMax) {
    return { kind: "unavailable" };
  }
  if (unusedOf(purse, usedMinor) >= needMinor) {
    return { kind: "fits", purse };
  }
  if (pending !== null || hasHomeClaim(purse)) {
    return { kind: "waiting" };
  }
  const draft = openDraft(purse, usedMinor, context);
  if (purse.bank === null) {
    const reqSeq = request(draft, needMinor);
    return { kind: "asked", purse: draft.purse, send: draft.send, reqSeq };
  }
  return isReady(purse.bank) ? reserveHome(draft, needMinor) : { kind: "unavailable" };
};

/** Section 10: no request; what is missing is taken from free money in the order's transaction. */
const reserveHome = (draft: Draft, needMinor: bigint): Reserved => {
  const { usedMinor, purse } = draft;
  const missingMinor = usedMinor + needMinor - purse.allotment.rightsMinor;
  if (!isUndecided(purse) && grantHome(draft, missingMinor)) {
    return { kind: "fits", purse: draft.purse };
  }
  const isFirst = !isUndecided(purse);
  const reqSeq = claimHome(draft, needMinor);
  if (isFirst) {
    settle(draft);
  }
  return draft.reply === null
    ? { kind: "asked", purse: draft.purse, send: draft.send, reqSeq }
    : { kind: "insufficient", purse: draft.purse, freeMinor: draft.reply.freeMinor };
};

/** A message of another shard, whichever side it is for. One that does not count changes nothing. */
export const deliver = (
  purse: Purse,
  usedMinor: bigint,
  message: BankMessage,
  context: EscrowContext,
): PurseStep => {
  const draft = openDraft(purse, usedMinor, context);
  if ("term" in message) {
    deliverToShard(draft, message);
  } else {
    deliverToBank(draft, message);
  }
  return closeDraft(draft);
};

const deliverToBank = (draft: Draft, message: ToBank): void => {
  const { bank, key } = draft.purse;
  if (bank === null) {
    draft.alarms.push(`A ${message.kind} for account ${key.accountId}, whose bank is not here.`);
  } else if (admits(draft, message)) {
    if (message.kind === "event") {
      onEvent(draft, message);
    } else if (!isReady(bank)) {
      return;
    } else if (message.kind === "grant_request") {
      onGrantRequest(draft, message);
    } else {
      onRecallAnswer(draft, message);
    }
  }
};

const deliverToShard = (draft: Draft, message: ToShard): void => {
  const { allotment, bank } = draft.purse;
  const { shardIndex, bankTerm } = draft.context;
  if (bank !== null || message.shardIndex !== shardIndex) {
    draft.alarms.push(`A ${message.kind} for shard ${message.shardIndex} came to ${shardIndex}.`);
  } else if (message.term !== bankTerm) {
    draft.counts.otherTerm += 1;
  } else if (message.epoch !== allotment.epoch || allotment.state !== "LIVE") {
    return;
  } else if (message.kind === "grant_reply") {
    onGrantReply(draft, message);
  } else if (message.kind === "event_ack") {
    onEventAck(draft, message);
  } else if (message.kind === "recall") {
    onRecall(draft, message);
  } else {
    onFenced(draft, message);
  }
};

/**
 * A deposit (amount > 0) or withdrawal (< 0), on the home only; the caller has answered ids that
 * it knows. A withdrawal without a result in this step gets one in a later step. A result may be
 * told once the commit is replicated.
 */
export const transfer = (
  purse: Purse,
  usedMinor: bigint,
  wanted: { readonly transferId: string; readonly amountMinor: bigint },
  context: EscrowContext,
): PurseStep => {
  const draft = openDraft(purse, usedMinor, context);
  addTransfer(draft, wanted.transferId, wanted.amountMinor);
  return closeDraft(draft);
};

/** Whether the purse's totals stay within what a file holds, whatever of a loss rights cover. */
export const canRealise = ({ allotment }: Purse, deltaMinor: bigint): boolean =>
  fitsMoney(allotment.pnlTotalMinor + deltaMinor) &&
  fitsMoney(allotment.unsecuredTotalMinor + unsecuredPartOf(deltaMinor, 0n));

/** H4: a realised amount; `usedAfterMinor` is what is used after the fill. */
export const realise = (
  purse: Purse,
  usedAfterMinor: bigint,
  realised: Realised,
  context: EscrowContext,
): Purse => {
  const { deltaMinor } = realised;
  if (deltaMinor === 0n) {
    return purse;
  }
  const burnMinor = deltaMinor < 0n ? lesserOf(-deltaMinor, unusedOf(purse, usedAfterMinor)) : 0n;
  const draft = openDraft(purse, usedAfterMinor, context);
  const { pnlTotalMinor, unsecuredTotalMinor } = purse.allotment;
  changeAllotment(draft, {
    pnlTotalMinor: pnlTotalMinor + deltaMinor,
    unsecuredTotalMinor: unsecuredTotalMinor + unsecuredPartOf(deltaMinor, burnMinor),
  });
  if (purse.bank === null) {
    addRealised(draft, realised, burnMinor);
  } else {
    realiseHome(draft, deltaMinor, burnMinor);
  }
  return draft.purse;
};

/** Timers, what is due to be sent again, and what may leave since the last call. */
export const tick = (purse: Purse, usedMinor: bigint, context: EscrowContext): PurseStep => {
  const draft = openDraft(purse, usedMinor, context);
  if (purse.bank !== null) {
    tickBank(draft);
  } else if (purse.allotment.state === "LIVE") {
    tickShard(draft);
  }
  return closeDraft(draft);
};

/** Whether `tick` may have something to do, now or after a while. */
export const needsTick = (purse: Purse, usedMinor: bigint): boolean => {
  const { allotment, bank, sending } = purse;
  if (bank !== null) {
    return isUndecided(purse) || freeOf(bank) < 0n || overhangOf(purse, usedMinor) > 0n;
  }
  return (
    allotment.state === "LIVE" &&
    (allotment.pending !== null ||
      allotment.outbox.length > 0 ||
      overhangOf(purse, usedMinor) > 0n ||
      sending.idleSince !== null ||
      (sending.targetMinor !== null && unusedOf(purse, usedMinor) > 2n * sending.targetMinor))
  );
};
