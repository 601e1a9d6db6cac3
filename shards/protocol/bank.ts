/**
 * Shard → shard: what banks and allotments say to each other, one frame a commit and receiver, one
 * entry a message. Money travels as decimal text of minor units, since JSON numbers end at 2^53.
 */
import { z } from "zod";
import type { BankMessage } from "../domain/escrow/messages.ts";
import { FrameError } from "./frame.ts";

export const BANK = "bank";

const minor = z
  .string()
  .regex(/^-?(0|[1-9]\d{0,29})$/)
  .transform((text) => BigInt(text));
const count = z.number().int().min(0);
const shardIndex = z.number().int().min(1).max(1023);

const envelope = {
  accountId: z.number().int().min(1),
  asset: z.string().min(1).max(32),
  shardIndex,
  epoch: count,
};
const fromBank = { ...envelope, term: count };

const allotmentEvent = z.strictObject({
  evtSeq: count,
  kind: z.enum(["GIVEBACK", "PNL"]),
  unitsMinor: minor,
  deltaMinor: minor,
  orderId: count,
  executionId: z.string(),
  afterCommitSeq: count,
});

const message = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("grant_request"),
    ...envelope,
    reqSeq: count,
    needMinor: minor,
    afterEvt: count,
  }),
  z.strictObject({
    kind: z.literal("grant_reply"),
    ...fromBank,
    reqSeq: count,
    code: z.enum(["OK", "INSUFFICIENT", "UNAVAILABLE"]),
    grantedMinor: minor,
    targetMinor: minor,
    freeMinor: minor,
  }),
  z.strictObject({ kind: z.literal("event"), ...envelope, event: allotmentEvent }),
  z.strictObject({ kind: z.literal("event_ack"), ...fromBank, evtSeq: count }),
  z.strictObject({
    kind: z.literal("recall"),
    ...fromBank,
    recallId: z.string(),
    askMinor: minor,
  }),
  z.strictObject({
    kind: z.literal("recall_answer"),
    ...envelope,
    recallId: z.string(),
    afterEvt: count,
    isEmpty: z.boolean(),
  }),
  z.strictObject({ kind: z.literal("fenced"), ...fromBank, currentEpoch: count }),
]);

export const encodeBankMessage = (bankMessage: BankMessage): string =>
  JSON.stringify(bankMessage, (_, value: unknown) =>
    typeof value === "bigint" ? String(value) : value,
  );

/** Throws {@link FrameError} on what no version of ours has sent. */
export const decodeBankMessage = (entry: string): BankMessage => {
  try {
    return message.parse(JSON.parse(entry)) as BankMessage;
  } catch (error) {
    throw new FrameError("a bank message that cannot be read", { cause: error });
  }
};
