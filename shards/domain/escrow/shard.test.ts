import { describe, expect, test } from "bun:test";
import {
  contextOf,
  giveback,
  NOW,
  realised,
  shardPurse,
  toShard,
} from "../../../tests/model/escrow-fixture.ts";
import type { OrderId } from "../brands.ts";
import { MONEY_MINOR_MAX } from "../risk/money.ts";
import type { BankMessage, ToShard } from "./messages.ts";
import { DEFAULT_ESCROW_POLICY } from "./policy.ts";
import { deliver, dueToSend, needsTick, type Purse, realise, reserve, tick } from "./purse.ts";

const context = contextOf(2);
const PENDING = { reqSeq: 4, needMinor: 30n, afterEvt: 0 };
const pendingPurse = shardPurse({ rightsMinor: 10n, reqSeq: 4, pending: PENDING });

const kinds = (messages: readonly BankMessage[]): readonly string[] =>
  messages.map((message) =>
    message.kind === "event" ? `event ${message.event.evtSeq}` : message.kind,
  );

const grantReply = (fields: Partial<Extract<ToShard, { kind: "grant_reply" }>>): ToShard => ({
  kind: "grant_reply",
  ...toShard(2),
  reqSeq: 4,
  code: "OK",
  grantedMinor: 30n,
  targetMinor: 50n,
  freeMinor: 20n,
  ...fields,
});

const asked = (purse: Purse, usedMinor: bigint, needMinor: bigint) => {
  const reserved = reserve(purse, usedMinor, needMinor, context);
  if (reserved.kind !== "asked") {
    throw new Error(`expected a request, got ${reserved.kind}`);
  }
  return reserved;
};

describe("an order at a shard without the bank (H1)", () => {
  const reconciling = shardPurse({ rightsMinor: 100n, state: "RECONCILING" });
  const full = shardPurse({ rightsMinor: 100n, outbox: [giveback(1, 1n)], evtSeq: 1 });
  const tight = { ...context, policy: { ...context.policy, outboxMax: 1 } };
  test.each([
    ["that fits exactly is let in", shardPurse({ rightsMinor: 10n }), 4n, 6n, context, "fits"],
    ["that fits passes a pending request", pendingPurse, 0n, 10n, context, "fits"],
    ["that does not fit waits behind a request", pendingPurse, 0n, 11n, context, "waiting"],
    ["that does not fit asks", shardPurse({ rightsMinor: 10n }), 4n, 7n, context, "asked"],
    ["needs a live allotment", reconciling, 0n, 1n, context, "unavailable"],
    ["that needs nothing is always let in", reconciling, 200n, 0n, context, "fits"],
    ["is held off by a full outbox, even if it fits", full, 0n, 1n, tight, "unavailable"],
  ] as const)("%s", (_name, purse, usedMinor, needMinor, ctx, kind) => {
    expect(reserve(purse, usedMinor, needMinor, ctx).kind).toBe(kind);
  });

  test("asks for its whole need and offers all that is unused, in one commit", () => {
    const { purse, send, reqSeq } = asked(shardPurse({ rightsMinor: 10n, reqSeq: 3 }), 4n, 7n);
    expect(purse.allotment).toMatchObject({
      rightsMinor: 4n,
      reqSeq: 4,
      evtSeq: 1,
      pending: { reqSeq: 4, needMinor: 7n, afterEvt: 1 },
      outbox: [giveback(1, 6n)],
    });
    expect(reqSeq).toBe(4);
    expect(kinds(send)).toEqual(["event 1", "grant_request"]);
    expect(send[1]).toMatchObject({ reqSeq: 4, needMinor: 7n, afterEvt: 1, epoch: 1 });
  });

  test("of any size asks for no more than a file can hold", () => {
    const { purse } = asked(shardPurse({ rightsMinor: 10n }), 25n, 2n ** 70n);
    expect(purse.allotment.pending?.needMinor).toBe(MONEY_MINOR_MAX);
  });

  test("asks for what is used beyond the rights too, or a grant would not be enough", () => {
    const { purse } = asked(shardPurse({ rightsMinor: 10n }), 13n, 7n);
    expect(purse.allotment.pending?.needMinor).toBe(10n);
    expect(purse.allotment.outbox).toEqual([]);
  });
});

describe("a grant reply (H2)", () => {
  test("credits the rights and names the request it answers", () => {
    const step = deliver(pendingPurse, 0n, grantReply({}), context);
    expect(step.purse.allotment).toMatchObject({ rightsMinor: 40n, pending: null, reqSeq: 4 });
    expect(step.reply).toEqual({ reqSeq: 4, code: "OK", freeMinor: 20n });
  });

  test.each(["INSUFFICIENT", "UNAVAILABLE"] as const)("%s ends the request", (code) => {
    const step = deliver(pendingPurse, 0n, grantReply({ code, grantedMinor: 0n }), context);
    expect(step.purse.allotment).toMatchObject({ rightsMinor: 10n, pending: null });
    expect(step.reply).toEqual({ reqSeq: 4, code, freeMinor: 20n });
  });

  const reconciling = shardPurse({ reqSeq: 4, pending: PENDING, state: "RECONCILING" });
  test.each([
    ["to an older request", pendingPurse, grantReply({ reqSeq: 3 }), 0],
    ["when nothing is pending", shardPurse({ reqSeq: 4 }), grantReply({}), 0],
    ["of another epoch", pendingPurse, grantReply({ epoch: 2 }), 0],
    ["of another term", pendingPurse, grantReply({ term: 2 }), 1],
    ["while reconciling", reconciling, grantReply({}), 0],
  ] as const)("%s is ignored", (_name, purse, message, otherTerm) => {
    const step = deliver(purse, 0n, message, context);
    expect(step.purse).toEqual(purse);
    expect(step).toMatchObject({ reply: null, send: [], counts: { otherTerm } });
  });

  test("for another shard raises an alarm and changes nothing", () => {
    const step = deliver(pendingPurse, 0n, grantReply({ shardIndex: 3 }), context);
    expect(step.purse).toBe(pendingPurse);
    expect(step.alarms).toEqual(["A grant_reply for shard 3 came to 2."]);
  });
});

describe("a fill (H4)", () => {
  test.each([
    ["a profit burns nothing", 10n, 4n, 3n, { rights: 10n, units: 0n, unsecured: 0n }],
    ["a loss burns unused rights", 10n, 4n, -3n, { rights: 7n, units: 3n, unsecured: 0n }],
    ["a loss beyond them is unsecured", 10n, 4n, -8n, { rights: 4n, units: 6n, unsecured: 2n }],
    ["a loss over rights burns none", 10n, 12n, -8n, { rights: 10n, units: 0n, unsecured: 8n }],
  ] as const)("%s", (_name, rightsMinor, usedMinor, deltaMinor, want) => {
    const fill = { deltaMinor, orderId: 5 as OrderId, executionId: "x1", commitSeq: 7 };
    const { allotment } = realise(shardPurse({ rightsMinor }), usedMinor, fill, context);
    expect(allotment).toMatchObject({
      rightsMinor: want.rights,
      evtSeq: 1,
      pnlTotalMinor: deltaMinor,
      unsecuredTotalMinor: want.unsecured,
      outbox: [realised(1, deltaMinor, want.units, 7)],
    });
  });

  test("that realises nothing makes no event", () => {
    const purse = shardPurse({ rightsMinor: 10n });
    const fill = { deltaMinor: 0n, orderId: 5 as OrderId, executionId: "x1", commitSeq: 7 };
    expect(realise(purse, 0n, fill, context)).toBe(purse);
  });
});

describe("a recall (H6)", () => {
  const recall = (askMinor: bigint): ToShard => ({
    kind: "recall",
    ...toShard(2),
    recallId: "r",
    askMinor,
  });
  test.each([
    ["gives what is asked", 6n, 4n, { rights: 6n, units: [4n], isEmpty: false }],
    ["gives all that is unused, no more", 6n, 9n, { rights: 4n, units: [6n], isEmpty: true }],
    ["gives nothing where all is used", 0n, 9n, { rights: 4n, units: [], isEmpty: true }],
  ] as const)("%s", (_name, unusedMinor, askMinor, want) => {
    const purse = shardPurse({ rightsMinor: 4n + unusedMinor });
    const { purse: after, send, counts } = deliver(purse, 4n, recall(askMinor), context);
    expect(after.allotment.rightsMinor).toBe(want.rights);
    expect(after.allotment.outbox.map(({ unitsMinor }) => unitsMinor)).toEqual([...want.units]);
    expect(send.at(-1)).toMatchObject({
      kind: "recall_answer",
      recallId: "r",
      afterEvt: want.units.length,
      isEmpty: want.isEmpty,
    });
    expect(send).toHaveLength(want.units.length + 1);
    expect(counts.recalledMinor).toBe(want.units[0] ?? 0n);
  });

  test("is not answered while reconciling", () => {
    const purse = shardPurse({ rightsMinor: 9n, state: "RECONCILING" });
    expect(deliver(purse, 0n, recall(1n), context).send).toEqual([]);
  });
});

describe("acknowledgements and resending (H7, H8, A3)", () => {
  const outbox = [giveback(1, 1n), realised(2, 3n, 0n, 50), giveback(3, 2n)];
  const purse = shardPurse({ evtSeq: 3, outbox, reqSeq: 4, pending: { ...PENDING, afterEvt: 3 } });
  const ack = (evtSeq: number): ToShard => ({ kind: "event_ack", ...toShard(2), evtSeq });

  test.each([
    ["all that waits leaves in order, the request last", 50, ["1", "2", "3"]],
    ["a realised amount waits for replication, and so does what is behind it", 49, ["1"]],
  ] as const)("%s", (_name, replicatedCommitSeq, events) => {
    const send = dueToSend(purse, { ...context, replicatedCommitSeq });
    expect(kinds(send)).toEqual([...events.map((seq) => `event ${seq}`), "grant_request"]);
  });

  test("no more leaves at once than the window lets through; acknowledgements move it", () => {
    const ctx = { ...context, policy: { ...context.policy, sendWindow: 1 } };
    const first = tick(purse, 0n, ctx);
    expect(kinds(first.send)).toEqual(["event 1", "grant_request"]);
    expect(kinds(deliver(first.purse, 0n, ack(1), ctx).send)).toEqual(["event 2"]);
  });

  test("an acknowledgement is cumulative, and an older one changes nothing", () => {
    const after = deliver(purse, 0n, ack(2), context).purse;
    expect(after.allotment.outbox).toEqual([giveback(3, 2n)]);
    expect(deliver(after, 0n, ack(1), context).purse).toEqual(after);
  });

  test("an acknowledgement of an event never made raises an alarm", () => {
    expect(deliver(purse, 0n, ack(4), context).alarms).toHaveLength(1);
  });

  test("what has no answer is sent again after a while, under the same numbers", () => {
    const sent = tick(purse, 0n, context);
    const at = (ms: number) => kinds(tick(sent.purse, 0n, { ...context, now: NOW + ms }).send);
    expect(at(DEFAULT_ESCROW_POLICY.resendMs - 1)).toEqual([]);
    expect(at(DEFAULT_ESCROW_POLICY.resendMs)).toEqual(kinds(sent.send));
  });

  test("an amount that has become replicated leaves with the next tick", () => {
    const before = tick(purse, 0n, { ...context, replicatedCommitSeq: 49 });
    const after = tick(before.purse, 0n, { ...context, replicatedCommitSeq: 50 });
    expect(kinds(after.send)).toEqual(["event 2", "event 3"]);
  });

  test("nothing leaves while reconciling, and no tick is needed", () => {
    const reconciling = shardPurse({ ...purse.allotment, state: "RECONCILING" });
    expect(dueToSend(reconciling, context)).toEqual([]);
    expect(tick(reconciling, 0n, context).send).toEqual([]);
    expect(needsTick(reconciling, 0n)).toBe(false);
  });
});

test("Fenced stops the purse; one for an older life does not", () => {
  const purse = shardPurse({ epoch: 2, rightsMinor: 5n });
  const fenced = (epoch: number, currentEpoch: number): ToShard => ({
    kind: "fenced",
    ...toShard(2),
    epoch,
    currentEpoch,
  });
  const step = deliver(purse, 0n, fenced(2, 3), context);
  expect(step.isFenced).toBe(true);
  expect(step.purse.allotment.state).toBe("RECONCILING");
  expect(deliver(purse, 0n, fenced(1, 2), context).purse).toBe(purse);
});

describe("time at a shard", () => {
  const { idleMs, overhangRetryMs } = DEFAULT_ESCROW_POLICY;
  const granted = deliver(pendingPurse, 0n, grantReply({ targetMinor: 15n }), context).purse;

  test("rights beyond twice the target go back to the target once they are idle (H5)", () => {
    expect(needsTick(granted, 0n)).toBe(true);
    const seen = tick(granted, 0n, context).purse;
    const early = tick(seen, 0n, { ...context, now: NOW + idleMs - 1 });
    expect(early.purse.allotment.rightsMinor).toBe(40n);
    const { purse, send } = tick(early.purse, 0n, { ...context, now: NOW + idleMs });
    expect(purse.allotment.rightsMinor).toBe(15n);
    expect(kinds(send)).toEqual(["event 1"]);
  });

  test("rights within twice the target stay, and use starts the wait anew", () => {
    expect(needsTick(granted, 10n)).toBe(false);
    const seen = tick(granted, 0n, context).purse;
    const used = tick(seen, 10n, { ...context, now: NOW + idleMs }).purse;
    const after = tick(used, 0n, { ...context, now: NOW + idleMs }).purse;
    expect(after.allotment.rightsMinor).toBe(40n);
  });

  test("an overhang is asked for without an order, and again only after a while", () => {
    const purse = shardPurse({ rightsMinor: 10n });
    expect(needsTick(purse, 14n)).toBe(true);
    const { purse: sent, send } = tick(purse, 14n, context);
    expect(send).toMatchObject([{ kind: "grant_request", reqSeq: 1, needMinor: 4n }]);
    const code = "INSUFFICIENT";
    const refusal = grantReply({ reqSeq: 1, code, grantedMinor: 0n });
    const refused = deliver(sent, 14n, refusal, context).purse;
    const at = (ms: number) => tick(refused, 14n, { ...context, now: NOW + ms }).send;
    expect(at(overhangRetryMs - 1)).toEqual([]);
    expect(at(overhangRetryMs)).toMatchObject([{ kind: "grant_request", reqSeq: 2 }]);
  });
});
