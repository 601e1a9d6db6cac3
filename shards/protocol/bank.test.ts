/** As protocol.test.ts: the recorded frame must decode to these values for ever. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { AccountId, OrderId } from "../domain/brands.ts";
import type { BankMessage } from "../domain/escrow/messages.ts";
import { BANK, decodeBankMessage, encodeBankMessage } from "./bank.ts";
import { decodeFrame, encodeFrame, FrameError } from "./frame.ts";

const envelope = {
  accountId: Number.MAX_SAFE_INTEGER as AccountId,
  asset: "USDT",
  shardIndex: 1023,
  epoch: 7,
};
const fromBank = { ...envelope, term: 1 };
/** Money past 2^53. */
const MUCH = 2n ** 62n + 1n;

const messages: readonly BankMessage[] = [
  { kind: "grant_request", ...envelope, reqSeq: 3, needMinor: MUCH, afterEvt: 9 },
  {
    kind: "grant_reply",
    ...fromBank,
    reqSeq: 3,
    code: "OK",
    grantedMinor: MUCH,
    targetMinor: 0n,
    freeMinor: -MUCH,
  },
  {
    kind: "grant_reply",
    ...fromBank,
    reqSeq: 4,
    code: "INSUFFICIENT",
    grantedMinor: 0n,
    targetMinor: 25n,
    freeMinor: 7n,
  },
  {
    kind: "event",
    ...envelope,
    event: {
      evtSeq: 10,
      kind: "GIVEBACK",
      unitsMinor: MUCH,
      deltaMinor: 0n,
      orderId: 0,
      executionId: "",
      afterCommitSeq: 0,
    },
  },
  {
    kind: "event",
    ...envelope,
    event: {
      evtSeq: 11,
      kind: "PNL",
      unitsMinor: 5n,
      deltaMinor: -MUCH,
      orderId: 4097 as OrderId,
      executionId: 'e-1 "quoted"\n',
      afterCommitSeq: 5678,
    },
  },
  { kind: "event_ack", ...fromBank, evtSeq: 11 },
  { kind: "recall", ...fromBank, recallId: "boot:2:3:0", askMinor: MUCH },
  { kind: "recall_answer", ...envelope, recallId: "boot:2:3:0", afterEvt: 11, isEmpty: true },
  { kind: "fenced", ...fromBank, currentEpoch: 8 },
];

const recorded = (): string =>
  readFileSync(`${import.meta.dir}/fixtures/bank-v1/bank.frame`, "utf8");

describe("the recorded frame of what banks and purses say", () => {
  test("decodes to its values", () => {
    const { kind, entries } = decodeFrame(recorded());
    expect(kind).toBe(BANK);
    expect(entries.map(decodeBankMessage)).toEqual(messages as BankMessage[]);
  });

  test("is what we still send", () => {
    expect(encodeFrame(BANK, messages.map(encodeBankMessage))).toBe(recorded());
  });
});

const [request] = messages.map(encodeBankMessage);

test.each([
  ["no JSON", "{"],
  ["an unknown kind", '{"kind":"gift"}'],
  ["money as a number", request?.replace(`"${MUCH}"`, "5") ?? ""],
  ["money with a fraction", request?.replace(`"${MUCH}"`, '"0.5"') ?? ""],
  ["a field too many", request?.replace("{", '{"more":1,') ?? ""],
  ["a field too few", request?.replace('"asset":"USDT",', "") ?? ""],
  ["a shard's index out of range", request?.replace("1023", "1024") ?? ""],
])("%s is refused", (_, entry) => {
  expect(() => decodeBankMessage(entry)).toThrow(FrameError);
});
