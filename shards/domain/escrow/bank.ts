/**
 * The bank of a purse: what it does with each message, with transfers and with time (rules G0 to
 * G3, G5, docs/ALLOTMENTS.md). It answers from its own durable rows; decision.ts decides.
 */

import {
  askAround,
  claimHome,
  collectHome,
  enqueue,
  fromBank,
  hasHomeClaim,
  recall,
  recallIdOf,
  reply,
  settle,
} from "./decision.ts";
import {
  changeBank,
  emptyRow,
  freeOf,
  hasReported,
  isReady,
  shardOf,
  unsecuredPartOf,
} from "./ledger.ts";
import type { EventMessage, GrantRequest, RecallAnswer, ToBank } from "./messages.ts";
import { isOver } from "./policy.ts";
import { overhangOf } from "./state.ts";
import {
  bankOf,
  change,
  changeHomeRights,
  changeSending,
  type Draft,
  rowOf,
  setRow,
} from "./step.ts";

/** G0: whether a shard's message counts. A row that nobody has written yet takes its epoch. */
export const admits = (draft: Draft, message: ToBank): boolean => {
  const { shardIndex, epoch } = message;
  const { homeIndex, shardIndexes } = draft.context;
  if (shardIndex === homeIndex || !shardIndexes.includes(shardIndex)) {
    draft.alarms.push(`Shard ${shardIndex} sent a ${message.kind} to the bank of ${homeIndex}.`);
    return false;
  }
  const bank = bankOf(draft);
  const row = shardOf(bank, shardIndex) ?? emptyRow(shardIndex, bank.term);
  if (row.epoch === 0) {
    setRow(draft, { ...row, epoch });
    return true;
  }
  if (epoch < row.epoch) {
    draft.counts.fenced += 1;
    const envelope = fromBank(draft, shardIndex, epoch);
    draft.send.push({ kind: "fenced", ...envelope, currentEpoch: row.epoch });
  }
  return epoch === row.epoch;
};

/** G1. */
export const onGrantRequest = (draft: Draft, message: GrantRequest): void => {
  const { shardIndex, reqSeq, needMinor, afterEvt } = message;
  const row = rowOf(draft, shardIndex);
  if (reqSeq === row.lastReq) {
    reply(draft, row);
  } else if (reqSeq > row.lastReq + 1 || needMinor <= 0n) {
    draft.alarms.push(
      `Shard ${shardIndex} asks with number ${reqSeq} for ${needMinor}, after ${row.lastReq}.`,
    );
  } else if (reqSeq > row.lastReq && afterEvt <= row.lastEvt) {
    enqueue(draft, { kind: "shard", shardIndex, reqSeq, needMinor });
    settle(draft);
  }
};

/** G2. */
export const onEvent = (draft: Draft, message: EventMessage): void => {
  const { event, shardIndex } = message;
  const row = rowOf(draft, shardIndex);
  if (event.evtSeq > row.lastEvt + 1 || !hasReported(bankOf(draft), row)) {
    return;
  }
  if (event.evtSeq === row.lastEvt + 1) {
    if (event.unitsMinor > row.grantedMinor) {
      draft.alarms.push(
        `Shard ${shardIndex} returns ${event.unitsMinor} of ${row.grantedMinor} granted.`,
      );
      return;
    }
    setRow(draft, {
      ...row,
      lastEvt: event.evtSeq,
      grantedMinor: row.grantedMinor - event.unitsMinor,
      pnlTotalMinor: row.pnlTotalMinor + event.deltaMinor,
      unsecuredTotalMinor:
        row.unsecuredTotalMinor + unsecuredPartOf(event.deltaMinor, event.unitsMinor),
    });
  }
  const evtSeq = rowOf(draft, shardIndex).lastEvt;
  draft.send.push({ kind: "event_ack", ...fromBank(draft, shardIndex, row.epoch), evtSeq });
  settle(draft);
};

/** H4 on the home: straight into the bank; a loss is taken from unused rights at once. */
export const realiseHome = (draft: Draft, deltaMinor: bigint, burnMinor: bigint): void => {
  changeHomeRights(draft, -burnMinor);
  const row = rowOf(draft, draft.context.homeIndex);
  setRow(draft, {
    ...row,
    pnlTotalMinor: row.pnlTotalMinor + deltaMinor,
    unsecuredTotalMinor: row.unsecuredTotalMinor + unsecuredPartOf(deltaMinor, burnMinor),
  });
};

/** G3. */
export const onRecallAnswer = (draft: Draft, message: RecallAnswer): void => {
  const { deciding } = draft.purse;
  const { shardIndex, recallId, afterEvt, isEmpty } = message;
  if (
    deciding === null ||
    recallId !== recallIdOf(draft, deciding) ||
    !deciding.asked.includes(shardIndex) ||
    deciding.emptied.includes(shardIndex) ||
    deciding.answers.some((answer) => answer.shardIndex === shardIndex)
  ) {
    return;
  }
  const answers = [...deciding.answers, { shardIndex, afterEvt, isEmpty }];
  change(draft, { deciding: { ...deciding, answers } });
  settle(draft);
};

/** Section 9: what free money is below zero is recalled, while no decision does it anyway. */
const recallDeficit = (draft: Draft): void => {
  const { context, purse } = draft;
  collectHome(draft, 0n);
  const deficitMinor = -freeOf(bankOf(draft));
  const { recallWaitMs } = context.policy;
  const isDue = isOver(purse.sending.deficitAskedAt, recallWaitMs, context.now);
  if (deficitMinor > 0n && isDue && draft.purse.deciding === null) {
    for (const { shardIndex, grantedMinor } of bankOf(draft).shards) {
      if (shardIndex !== context.homeIndex && grantedMinor > 0n) {
        recall(draft, shardIndex, `${context.bankBoot}.deficit.${context.now}`, deficitMinor);
      }
    }
    changeSending(draft, { deficitAskedAt: context.now });
  }
};

/** The wait timer, recalls that may be lost, the deficit, and the overhang of the home itself. */
export const tickBank = (draft: Draft): void => {
  const { now, policy } = draft.context;
  if (!isReady(bankOf(draft))) {
    return;
  }
  const { overhangAskedAt } = draft.purse.sending;
  const isOverhangDue = isOver(overhangAskedAt, policy.overhangRetryMs, now);
  if (
    draft.purse.allotment.state === "LIVE" &&
    overhangOf(draft.purse, draft.usedMinor) > 0n &&
    !hasHomeClaim(draft.purse) &&
    isOverhangDue
  ) {
    changeSending(draft, { overhangAskedAt: now });
    claimHome(draft, 0n);
  }
  settle(draft);
  const { deciding } = draft.purse;
  if (deciding?.recalledAt != null && isOver(deciding.recalledAt, policy.resendMs, now)) {
    askAround(draft, deciding);
  }
  recallDeficit(draft);
};

/** G5: deposits always go in; a withdrawal waits its turn like a request, but of no shard. */
export const addTransfer = (draft: Draft, transferId: string, amountMinor: bigint): void => {
  const bank = bankOf(draft);
  if (amountMinor > 0n) {
    const depositedMinor = bank.depositedMinor + amountMinor;
    change(draft, { bank: changeBank(bank, { depositedMinor }) });
    draft.transfers.push({ transferId, amountMinor, outcome: "PAID" });
  } else if (isReady(bank)) {
    enqueue(draft, { kind: "withdrawal", transferId, needMinor: -amountMinor });
  } else {
    draft.transfers.push({ transferId, amountMinor, outcome: "UNAVAILABLE" });
  }
  settle(draft);
};
