/**
 * A shard's side of a purse whose bank is elsewhere (rules H1 to H8 of docs/ALLOTMENTS.md). It
 * debits its own rights in the commit that numbers the event which carries them, and credits them
 * only for a reply to the request it has pending. What is not acknowledged or answered is sent
 * again from durable state, never under another number.
 */
import type { OrderId } from "../brands.ts";
import { MONEY_MINOR_MAX } from "../risk/money.ts";
import { greaterOf, lesserOf } from "./ledger.ts";
import type {
  BankMessage,
  EventAck,
  Fenced,
  GrantReply,
  GrantRequest,
  Recall,
} from "./messages.ts";
import { isOver } from "./policy.ts";
import { type EscrowContext, overhangOf, type Purse } from "./state.ts";
import { changeAllotment, changeSending, type Draft, draftUnused } from "./step.ts";
import type { AllotmentEvent } from "./types.ts";

/** A realised amount: profit and loss, fee or funding. */
export interface Realised {
  /** Signed; fees are taken off. */
  readonly deltaMinor: bigint;
  readonly orderId: OrderId;
  readonly executionId: string;
  /** Of the record that carries it. */
  readonly commitSeq: number;
}

/** Who speaks: the part that every message of this shard has. */
const envelopeOf = (purse: Purse, context: EscrowContext) => ({
  ...purse.key,
  shardIndex: context.shardIndex,
  epoch: purse.allotment.epoch,
});

const requestOf = (purse: Purse, context: EscrowContext): readonly GrantRequest[] => {
  const { pending } = purse.allotment;
  return pending === null
    ? []
    : [{ kind: "grant_request", ...envelopeOf(purse, context), ...pending }];
};

/** Events after `evtSeq` that may leave now, in order; one that has to wait holds back the rest. */
const eventsAfter = (purse: Purse, evtSeq: number, context: EscrowContext) => {
  const events: AllotmentEvent[] = [];
  for (const event of purse.allotment.outbox.slice(0, context.policy.sendWindow)) {
    if (event.afterCommitSeq > context.replicatedCommitSeq) {
      break;
    }
    if (event.evtSeq > evtSeq) {
      events.push(event);
    }
  }
  return events;
};

const eventMessages = (purse: Purse, events: readonly AllotmentEvent[], context: EscrowContext) =>
  events.map((event) => ({ kind: "event", ...envelopeOf(purse, context), event }) as const);

/**
 * H8: all that this shard waits for an answer to, in order: events from the first one on, then the
 * request. For use at the start and on reconnecting; in between `tick` does it.
 */
export const dueToSend = (purse: Purse, context: EscrowContext): readonly BankMessage[] =>
  purse.allotment.state === "LIVE"
    ? [
        ...eventMessages(purse, eventsAfter(purse, 0, context), context),
        ...requestOf(purse, context),
      ]
    : [];

const sendEvents = (draft: Draft, afterEvt: number): void => {
  const { purse, context } = draft;
  const events = eventsAfter(purse, afterEvt, context);
  const last = events.at(-1);
  if (last !== undefined) {
    draft.send.push(...eventMessages(purse, events, context));
    const { evtSeq, at } = purse.sending;
    const isNothingOnTheWay =
      (purse.allotment.outbox[0]?.evtSeq ?? 0) > evtSeq && purse.allotment.pending === null;
    changeSending(draft, {
      evtSeq: Math.max(evtSeq, last.evtSeq),
      at: isNothingOnTheWay ? context.now : at,
    });
  }
};

const sendUnanswered = (draft: Draft): void => {
  sendEvents(draft, 0);
  draft.send.push(...requestOf(draft.purse, draft.context));
  changeSending(draft, { at: draft.context.now });
};

const addEvent = (draft: Draft, event: Omit<AllotmentEvent, "evtSeq">): void => {
  const { allotment } = draft.purse;
  const evtSeq = allotment.evtSeq + 1;
  changeAllotment(draft, {
    rightsMinor: allotment.rightsMinor - event.unitsMinor,
    evtSeq,
    outbox: [...allotment.outbox, { evtSeq, ...event }],
  });
};

const giveBack = (draft: Draft, unitsMinor: bigint): void =>
  addEvent(draft, {
    kind: "GIVEBACK",
    unitsMinor,
    deltaMinor: 0n,
    orderId: 0,
    executionId: "",
    afterCommitSeq: 0,
  });

/**
 * H1.4: offers everything unused and asks for the whole need, and for what is used beyond rights.
 * No account has more than a file can hold: asking for that is refused with the right numbers.
 */
export const request = (draft: Draft, needMinor: bigint): number => {
  const unusedMinor = draftUnused(draft);
  if (unusedMinor > 0n) {
    giveBack(draft, unusedMinor);
  }
  const { reqSeq, evtSeq } = draft.purse.allotment;
  const pending = {
    reqSeq: reqSeq + 1,
    needMinor: lesserOf(needMinor + overhangOf(draft.purse, draft.usedMinor), MONEY_MINOR_MAX),
    afterEvt: evtSeq,
  };
  changeAllotment(draft, { reqSeq: pending.reqSeq, pending });
  sendUnanswered(draft);
  return pending.reqSeq;
};

/** H2. */
export const onGrantReply = (draft: Draft, message: GrantReply): void => {
  const { pending, rightsMinor } = draft.purse.allotment;
  if (pending?.reqSeq !== message.reqSeq) {
    return;
  }
  changeAllotment(draft, { rightsMinor: rightsMinor + message.grantedMinor, pending: null });
  changeSending(draft, { targetMinor: message.targetMinor });
  const { reqSeq, code, freeMinor } = message;
  draft.reply = { reqSeq, code, freeMinor };
};

/** H4: a loss is taken from unused rights in the fill's own commit. `usedMinor` is after the fill. */
export const addRealised = (draft: Draft, realised: Realised, burnMinor: bigint): void =>
  addEvent(draft, {
    kind: "PNL",
    unitsMinor: burnMinor,
    deltaMinor: realised.deltaMinor,
    orderId: realised.orderId,
    executionId: realised.executionId,
    afterCommitSeq: realised.commitSeq,
  });

/** H6. */
export const onRecall = (draft: Draft, message: Recall): void => {
  const unitsMinor = lesserOf(draftUnused(draft), greaterOf(0n, message.askMinor));
  if (unitsMinor > 0n) {
    giveBack(draft, unitsMinor);
    draft.counts.recalledMinor += unitsMinor;
  }
  sendEvents(draft, 0);
  draft.send.push({
    kind: "recall_answer",
    ...envelopeOf(draft.purse, draft.context),
    recallId: message.recallId,
    afterEvt: draft.purse.allotment.evtSeq,
    isEmpty: draftUnused(draft) === 0n,
  });
};

/** H7. */
export const onEventAck = (draft: Draft, message: EventAck): void => {
  const { evtSeq, outbox } = draft.purse.allotment;
  if (message.evtSeq > evtSeq) {
    draft.alarms.push(`The bank has event ${message.evtSeq}, but the shard has made ${evtSeq}.`);
    return;
  }
  const left = outbox.filter((event) => event.evtSeq > message.evtSeq);
  if (left.length < outbox.length) {
    changeAllotment(draft, { outbox: left });
    changeSending(draft, { at: draft.context.now });
    sendEvents(draft, draft.purse.sending.evtSeq);
  }
};

export const onFenced = (draft: Draft, message: Fenced): void => {
  if (message.currentEpoch > draft.purse.allotment.epoch) {
    changeAllotment(draft, { state: "RECONCILING" });
    draft.isFenced = true;
  }
};

/** H5: unused rights that nobody needed for a while go back, down to the target. */
const giveBackIdle = (draft: Draft): void => {
  const { context, purse } = draft;
  const { targetMinor, idleSince } = purse.sending;
  const unusedMinor = draftUnused(draft);
  if (targetMinor === null || unusedMinor <= 2n * targetMinor) {
    if (idleSince !== null) {
      changeSending(draft, { idleSince: null });
    }
  } else if (idleSince === null) {
    changeSending(draft, { idleSince: context.now });
  } else if (isOver(idleSince, context.policy.idleMs, context.now)) {
    giveBack(draft, unusedMinor - targetMinor);
    changeSending(draft, { idleSince: null });
  }
};

/** H5, H8 and the request for the overhang, which no order waits for. */
export const tickShard = (draft: Draft): void => {
  const { now, policy } = draft.context;
  giveBackIdle(draft);
  const { allotment, sending } = draft.purse;
  const hasUnanswered = allotment.pending !== null || allotment.outbox.length > 0;
  if (hasUnanswered && isOver(sending.at, policy.resendMs, now)) {
    sendUnanswered(draft);
  } else {
    sendEvents(draft, sending.evtSeq);
  }
  if (
    overhangOf(draft.purse, draft.usedMinor) > 0n &&
    allotment.pending === null &&
    isOver(sending.overhangAskedAt, policy.overhangRetryMs, now)
  ) {
    changeSending(draft, { overhangAskedAt: now });
    request(draft, 0n);
  }
};
