import { describe, expect, test } from "bun:test";
import {
  answer,
  bankOf,
  contextOf,
  event,
  giveback,
  homePurse,
  NOW,
  realised,
  request,
  rowOf,
  spread,
} from "../../../tests/model/escrow-fixture.ts";
import { freeOf } from "./ledger.ts";
import { DEFAULT_ESCROW_POLICY } from "./policy.ts";
import { deliver, needsTick, type Purse, reserve, tick, transfer } from "./purse.ts";

const context = contextOf(1);
const { recallWaitMs, resendMs } = DEFAULT_ESCROW_POLICY;
const after = (ms: number) => ({ ...context, now: NOW + ms });

const withdraw = (amountMinor: bigint, transferId = "w") => ({ transferId, amountMinor });

describe("who a bank listens to (G0)", () => {
  const purse = spread();
  test("the first message of a shard tells its epoch", () => {
    const fresh = homePurse({ depositedMinor: 9n }, { 2: { epoch: 0 } });
    const step = deliver(fresh, 0n, { ...request(2, 1, 5n), epoch: 4 }, context);
    expect(rowOf(step.purse, 2)).toMatchObject({ epoch: 4, grantedMinor: 5n });
  });

  test("a lower epoch is told so, with its own number, and changes nothing", () => {
    const later = homePurse({ depositedMinor: 9n }, { 2: { epoch: 3 } });
    const step = deliver(later, 0n, { ...request(2, 1, 5n), epoch: 2 }, context);
    expect(step.send).toMatchObject([{ kind: "fenced", epoch: 2, currentEpoch: 3 }]);
    expect(step.counts.fenced).toBe(1);
    expect(step.purse).toBe(later);
  });

  test("a higher epoch is not known yet", () => {
    const step = deliver(purse, 0n, { ...request(2, 1, 5n), epoch: 2 }, context);
    expect(step).toMatchObject({ purse, send: [], alarms: [] });
  });

  test.each([1, 9])("shard %d, the home or not of the map, raises an alarm", (shardIndex) => {
    const step = deliver(purse, 0n, request(shardIndex, 1, 5n), context);
    expect(step.alarms).toHaveLength(1);
    expect(step.purse).toBe(purse);
  });

  test("until every shard has reported nothing is granted or paid; deposits go in", () => {
    const opening = homePurse({ depositedMinor: 9n, term: 2 }, { 2: { reportedTerm: 2 } });
    expect(deliver(opening, 0n, request(2, 1, 5n), context)).toMatchObject({ send: [] });
    expect(deliver(opening, 0n, event(3, giveback(1, 0n)), context)).toMatchObject({ send: [] });
    expect(deliver(opening, 0n, event(2, giveback(1, 0n)), context).send).toHaveLength(1);
    expect(reserve(opening, 0n, 1n, context).kind).toBe("unavailable");
    expect(transfer(opening, 0n, withdraw(-1n), context).transfers).toMatchObject([
      { outcome: "UNAVAILABLE" },
    ]);
    const { purse: paid, transfers } = transfer(opening, 0n, withdraw(4n), context);
    expect(transfers).toMatchObject([{ outcome: "PAID" }]);
    expect(bankOf(paid).depositedMinor).toBe(13n);
  });
});

describe("a grant request (G1)", () => {
  test("is debited and its reply stored in one commit", () => {
    const { purse, send } = deliver(spread(), 30n, request(2, 1, 10n), context);
    expect(rowOf(purse, 2)).toMatchObject({
      grantedMinor: 50n,
      lastReq: 1,
      replyCode: "OK",
      replyGrantedMinor: 10n,
    });
    expect(send).toMatchObject([
      { kind: "grant_reply", shardIndex: 2, reqSeq: 1, code: "OK", grantedMinor: 10n, term: 1 },
    ]);
    expect(send).toMatchObject([{ freeMinor: freeOf(bankOf(purse)) }]);
    expect(bankOf(purse).version).toBe(1);
  });

  test("repeated gets the stored reply, and nothing is granted twice", () => {
    const first = deliver(spread(), 30n, request(2, 1, 10n), context);
    const again = deliver(first.purse, 30n, request(2, 1, 10n), context);
    expect(again.purse).toBe(first.purse);
    expect(again.send).toEqual(first.send);
  });

  const answered = homePurse({ depositedMinor: 100n }, { 2: { lastReq: 5, lastEvt: 3 } });
  test.each([
    ["older than the last", request(2, 4, 1n, 0), 0],
    ["after a gap", request(2, 7, 1n, 0), 1],
    ["before the events it was made after", request(2, 6, 1n, 4), 0],
    ["for nothing", request(2, 6, 0n, 0), 1],
  ] as const)("%s is ignored", (_name, message, alarms) => {
    const step = deliver(answered, 0n, message, context);
    expect(step).toMatchObject({ purse: answered, send: [] });
    expect(step.alarms).toHaveLength(alarms);
  });

  test("takes the home's unused rights before it asks anybody", () => {
    const { purse, send } = deliver(spread(), 5n, request(2, 1, 35n), context);
    expect(send).toMatchObject([{ kind: "grant_reply", code: "OK", grantedMinor: 35n }]);
    expect(purse.allotment.rightsMinor).toBe(5n);
    expect(rowOf(purse, 1).grantedMinor).toBe(5n);
  });

  test("asks every other shard with rights for what is missing", () => {
    const { purse, send } = deliver(spread(), 30n, request(2, 1, 25n), context);
    expect(send).toMatchObject([{ kind: "recall", shardIndex: 3, askMinor: 15n }]);
    expect(needsTick(purse, 30n)).toBe(true);
    const alone = homePurse({ depositedMinor: 9n });
    expect(deliver(alone, 0n, request(2, 1, 25n), context).send).toMatchObject([
      { kind: "grant_reply", code: "INSUFFICIENT", grantedMinor: 0n },
    ]);
  });

  test("one decision at a time: the next waits, and is the same when it comes again", () => {
    const first = deliver(spread(), 30n, request(2, 1, 25n), context);
    const second = deliver(first.purse, 30n, request(3, 1, 5n), context);
    const again = deliver(second.purse, 30n, request(3, 1, 5n), context);
    expect(again.purse.queue).toHaveLength(1);
    expect(again.send).toEqual([]);
    const done = deliver(again.purse, 30n, answer(3, "boot.2.1.0", 0, true), context);
    expect(done.send).toMatchObject([
      { shardIndex: 2, code: "INSUFFICIENT" },
      { shardIndex: 3, code: "OK" },
    ]);
    expect(done.purse.deciding).toBeNull();
  });
});

describe("an event (G2)", () => {
  test("is applied once, in order, and acknowledged", () => {
    const loss = realised(1, -7n, 4n, 1);
    const { purse, send } = deliver(spread(), 30n, event(2, loss), context);
    expect(rowOf(purse, 2)).toMatchObject({
      grantedMinor: 36n,
      lastEvt: 1,
      pnlTotalMinor: -7n,
      unsecuredTotalMinor: 3n,
    });
    expect(send).toMatchObject([{ kind: "event_ack", shardIndex: 2, evtSeq: 1 }]);
    const again = deliver(purse, 30n, event(2, loss), context);
    expect(again.purse).toBe(purse);
    expect(again.send).toEqual(send);
  });

  test("after a gap is dropped; one that returns too much raises an alarm", () => {
    const purse = spread();
    expect(deliver(purse, 30n, event(2, giveback(2, 1n)), context)).toMatchObject({
      purse,
      send: [],
    });
    const wrong = deliver(purse, 30n, event(2, giveback(1, 41n)), context);
    expect(wrong).toMatchObject({ purse, send: [] });
    expect(wrong.alarms).toHaveLength(1);
  });
});

describe("a decision (G3, G4)", () => {
  const asking = deliver(spread(), 30n, request(2, 1, 25n), context).purse;
  const ID = "boot.2.1.0";

  test("ends as soon as enough is free", () => {
    const { purse, send } = deliver(asking, 30n, event(3, giveback(1, 15n)), context);
    expect(send).toMatchObject([{ kind: "event_ack" }, { code: "OK", grantedMinor: 25n }]);
    expect(freeOf(bankOf(purse))).toBe(0n);
  });

  test("counts an answer only after the events it names", () => {
    const kept = deliver(asking, 30n, answer(3, ID, 1, true), context);
    expect(kept.send).toEqual([]);
    const { send } = deliver(kept.purse, 30n, event(3, giveback(1, 5n)), context);
    expect(send).toMatchObject([{ kind: "event_ack" }, { code: "INSUFFICIENT" }]);
  });

  test.each([
    ["of an earlier process", answer(3, "old.2.1.0", 0, true)],
    ["of another round", answer(3, "boot.2.1.1", 0, true)],
    ["of a shard that was not asked", answer(2, ID, 0, true)],
  ])("an answer %s does not count", (_name, message) => {
    expect(deliver(asking, 30n, message, context)).toMatchObject({ purse: asking, send: [] });
  });

  test("a loss that makes a full answer too little calls for another round", () => {
    const lost = deliver(asking, 30n, event(2, realised(1, -6n, 0n, 1)), context).purse;
    const given = deliver(lost, 30n, event(3, giveback(1, 15n)), context).purse;
    const { purse, send } = deliver(given, 30n, answer(3, ID, 1, false), context);
    expect(send).toMatchObject([{ kind: "recall", recallId: "boot.2.1.1", askMinor: 6n }]);
    expect(purse.deciding?.startedAt).toBe(NOW);
    const done = deliver(purse, 30n, answer(3, "boot.2.1.1", 1, true), context);
    expect(done.send).toMatchObject([{ code: "INSUFFICIENT" }]);
  });

  test("asks again those that are silent, and gives up when the wait is over", () => {
    expect(tick(asking, 30n, after(resendMs - 1)).send).toEqual([]);
    expect(tick(asking, 30n, after(resendMs)).send).toMatchObject([{ recallId: ID }]);
    const { purse, send, counts } = tick(asking, 30n, after(recallWaitMs));
    expect(send).toMatchObject([{ kind: "grant_reply", code: "UNAVAILABLE", grantedMinor: 0n }]);
    expect(counts.recallsTimedOut).toBe(1);
    expect(rowOf(purse, 2)).toMatchObject({ lastReq: 1, replyCode: "UNAVAILABLE" });
  });

  test("a deposit, or an order of the home that closes, may end it", () => {
    const { send } = transfer(asking, 30n, withdraw(15n, "d"), context);
    expect(send).toMatchObject([{ code: "OK" }]);
    expect(tick(asking, 15n, context).send).toMatchObject([{ code: "OK" }]);
  });
});

describe("a withdrawal (G5)", () => {
  const outcomeOf = (step: { readonly transfers: readonly { readonly outcome: string }[] }) =>
    step.transfers.map(({ outcome }) => outcome);

  test("is paid from free money, or asks all shards for the rest", () => {
    const paid = transfer(spread(), 30n, withdraw(-10n), context);
    expect(outcomeOf(paid)).toEqual(["PAID"]);
    expect(bankOf(paid.purse).withdrawnMinor).toBe(10n);
    const asking = transfer(spread(), 30n, withdraw(-11n), context);
    expect(outcomeOf(asking)).toEqual([]);
    expect(asking.send).toMatchObject([
      { shardIndex: 2, askMinor: 1n },
      { shardIndex: 3, askMinor: 1n },
    ]);
    const given = deliver(asking.purse, 30n, event(3, giveback(1, 1n)), context);
    expect(outcomeOf(given)).toEqual(["PAID"]);
  });

  test("is refused once all have nothing left, and undecided when one is silent", () => {
    const asking = transfer(spread(), 30n, withdraw(-11n), context).purse;
    const half = deliver(asking, 30n, answer(2, "boot.withdrawal.w.0", 0, true), context).purse;
    expect(outcomeOf(tick(half, 30n, after(recallWaitMs)))).toEqual(["UNAVAILABLE"]);
    const refused = deliver(half, 30n, answer(3, "boot.withdrawal.w.0", 0, true), context);
    expect(outcomeOf(refused)).toEqual(["REFUSED"]);
    expect(bankOf(refused.purse).withdrawnMinor).toBe(0n);
  });

  test("repeated while it is being decided is the same withdrawal", () => {
    const asking = transfer(spread(), 30n, withdraw(-11n), context).purse;
    expect(transfer(asking, 30n, withdraw(-11n), context).purse.queue).toEqual([]);
  });

  test("nowhere but at the home", () => {
    const elsewhere: Purse = { ...spread(), bank: null };
    expect(() => transfer(elsewhere, 0n, withdraw(1n), context)).toThrow("no bank here");
  });
});
