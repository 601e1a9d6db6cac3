import { describe, expect, test } from "bun:test";
import {
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
import type { OrderId } from "../brands.ts";
import { freeOf, inTransitOf } from "./ledger.ts";
import { DEFAULT_ESCROW_POLICY } from "./policy.ts";
import { deliver, needsTick, realise, reserve, tick } from "./purse.ts";

const context = contextOf(1);
const { recallWaitMs } = DEFAULT_ESCROW_POLICY;
const after = (ms: number) => ({ ...context, now: NOW + ms });

describe("the home's own orders (section 10)", () => {
  test("take what is missing from free money, at once", () => {
    const reserved = reserve(spread(), 25n, 12n, context);
    const purse = reserved.kind === "fits" ? reserved.purse : null;
    expect(purse?.allotment.rightsMinor).toBe(37n);
    expect(purse && rowOf(purse, 1).grantedMinor).toBe(37n);
  });

  test("ask the others for the rest, and are told when it has come", () => {
    const reserved = reserve(spread(), 30n, 12n, context);
    if (reserved.kind !== "asked") {
      throw new Error(`expected a recall, got ${reserved.kind}`);
    }
    expect(reserved.send).toMatchObject([{ askMinor: 2n }, { askMinor: 2n }]);
    expect(reserve(reserved.purse, 30n, 11n, context).kind).toBe("waiting");
    const step = deliver(reserved.purse, 30n, event(2, giveback(1, 2n)), context);
    expect(step.reply).toEqual({ reqSeq: reserved.reqSeq, code: "OK", freeMinor: 0n });
    expect(step.purse.allotment.rightsMinor).toBe(42n);
  });

  test("are refused at once when nobody else has rights", () => {
    const purse = homePurse({ depositedMinor: 10n }, { 1: { grantedMinor: 4n } });
    // 10 deposited, 4 granted to the home itself.
    expect(reserve(purse, 4n, 7n, context)).toMatchObject({ kind: "insufficient", freeMinor: 6n });
  });

  test("keep what they were granted while the next claim is decided in the same step", () => {
    const reserved = reserve(spread(), 30n, 12n, context);
    const purse = reserved.kind === "asked" ? reserved.purse : spread();
    const queued = deliver(purse, 30n, request(3, 1, 5n), context).purse;
    const step = deliver(queued, 30n, event(2, giveback(1, 2n)), context);
    expect(step.reply?.code).toBe("OK");
    expect(step.purse.allotment.rightsMinor).toBe(42n);
    expect(step.purse.deciding?.claimant).toMatchObject({ kind: "shard", shardIndex: 3 });
  });

  test.each([
    ["a profit is equity at once", 5n, { granted: 30n, free: 15n, unsecured: 0n }],
    ["a loss burns unused rights", -5n, { granted: 25n, free: 10n, unsecured: 0n }],
    ["a loss beyond them lowers what is free", -14n, { granted: 20n, free: 6n, unsecured: 4n }],
  ] as const)("%s", (_name, deltaMinor, want) => {
    const fill = { deltaMinor, orderId: 5 as OrderId, executionId: "x", commitSeq: 1 };
    const purse = realise(spread(), 20n, fill, context);
    expect(purse.allotment.rightsMinor).toBe(want.granted);
    expect(rowOf(purse, 1)).toMatchObject({
      grantedMinor: want.granted,
      pnlTotalMinor: deltaMinor,
      unsecuredTotalMinor: want.unsecured,
    });
    expect(purse.allotment.pnlTotalMinor).toBe(deltaMinor);
    expect(purse.allotment.outbox).toEqual([]);
    expect(freeOf(bankOf(purse))).toBe(want.free);
  });

  test("an overhang is taken from free money by the tick", () => {
    expect(tick(spread(), 36n, context).purse.allotment.rightsMinor).toBe(36n);
  });
});

describe("free money below zero (section 9)", () => {
  const short = deliver(spread(), 30n, event(2, realised(1, -14n, 0n, 1)), context).purse;

  test("grants and pays nothing, and is recalled in the background", () => {
    expect(freeOf(bankOf(short))).toBe(-4n);
    expect(needsTick(short, 30n)).toBe(true);
    const { purse, send } = tick(short, 30n, context);
    expect(send).toMatchObject([
      { kind: "recall", shardIndex: 2, askMinor: 4n },
      { kind: "recall", shardIndex: 3, askMinor: 4n },
    ]);
    expect(tick(purse, 30n, after(recallWaitMs - 1)).send).toEqual([]);
    expect(tick(purse, 30n, after(recallWaitMs)).send).toHaveLength(2);
  });

  test("is filled from the home's unused rights first", () => {
    const { purse, send } = tick(short, 26n, context);
    expect(send).toEqual([]);
    expect(freeOf(bankOf(purse))).toBe(0n);
    expect(purse.allotment.rightsMinor).toBe(26n);
  });
});

test("what is in transit is granted and not held", () => {
  const purse = spread();
  const held = [
    { shardIndex: 1, rightsMinor: 30n },
    { shardIndex: 2, rightsMinor: 33n },
  ];
  expect(inTransitOf(bankOf(purse), held)).toBe(7n);
});
