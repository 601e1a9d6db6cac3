import { describe, expect, test } from "bun:test";
import {
  bankOf,
  giveback,
  homePurse,
  realised,
  shardPurse,
  spread,
} from "../../../tests/model/escrow-fixture.ts";
import { auditGranted, auditPurse } from "./audit.ts";
import type { Allotment } from "./types.ts";

describe("one purse", () => {
  const home = spread();
  const pending = { reqSeq: 4, needMinor: 1n, afterEvt: 0 };
  test.each([
    ["at rest", shardPurse({ rightsMinor: 3n }), 0],
    ["with rights below zero", shardPurse({ rightsMinor: -1n }), 1],
    ["with a gap in its outbox", shardPurse({ evtSeq: 3, outbox: [giveback(2, 1n)] }), 1],
    ["with a request that is not its last", shardPurse({ reqSeq: 5, pending }), 1],
    ["of a home at rest", home, 0],
    [
      "of a home whose rights are not its grant",
      { ...home, allotment: { ...home.allotment, rightsMinor: 29n } },
      1,
    ],
    [
      "of a home with another profit than its bank",
      { ...home, allotment: { ...home.allotment, pnlTotalMinor: 1n } },
      1,
    ],
    ["of a home that writes to itself", { ...home, allotment: { ...home.allotment, pending } }, 2],
    ["with a grant below zero", homePurse({}, { 2: { grantedMinor: -1n } }), 1],
  ] as const)("%s", (_name, purse, found) => {
    expect(auditPurse(purse, 1)).toHaveLength(found);
  });
});

describe("a bank against a shard with 40 granted", () => {
  const bank = bankOf(
    homePurse({}, { 2: { grantedMinor: 40n, lastReq: 2, replyGrantedMinor: 9n, lastEvt: 1 } }),
  );
  const pending = { reqSeq: 2, needMinor: 9n, afterEvt: 0 };
  const outbox = [giveback(1, 5n), giveback(2, 6n)];
  const loss = realised(2, -3n, 2n, 1);
  test.each<readonly [string, Partial<Allotment>, number]>([
    ["that holds them", { rightsMinor: 40n }, 0],
    ["that holds less", { rightsMinor: 39n }, 1],
    ["to which a grant is on the way", { rightsMinor: 31n, reqSeq: 2, pending }, 0],
    ["that returns some; applied events do not count", { rightsMinor: 34n, outbox }, 0],
    ["with a loss on its way", { rightsMinor: 38n, outbox: [loss], pnlTotalMinor: -3n }, 0],
    ["whose loss is in no event", { rightsMinor: 40n, pnlTotalMinor: -3n }, 1],
    ["with more unsecured than it made", { rightsMinor: 40n, unsecuredTotalMinor: -1n }, 1],
    ["of another epoch, which says nothing", { rightsMinor: 1n, epoch: 2 }, 0],
    ["that reconciles, which says nothing", { rightsMinor: 1n, state: "RECONCILING" }, 0],
  ])("%s", (_name, fields, found) => {
    const held = [{ shardIndex: 2, allotment: shardPurse(fields).allotment }];
    expect(auditGranted(bank, held)).toHaveLength(found);
  });
});
