/** Deposits and withdrawals, decided by the bank of the account's home shard; idempotent by their id. */
import type { CanonicalDecimal } from "../../domain/brands.ts";
import type { Command } from "../../domain/command.ts";
import { accountKey, renderTransfer } from "../../domain/entities.ts";
import { undecidedWithdrawal } from "../../domain/escrow/purse.ts";
import type { PurseKey, Transfer } from "../../domain/escrow/types.ts";
import type { Problem } from "../../domain/problem.ts";
import { fitsMoney, formatMoney, MONEY_MINOR_MAX, parseMoney } from "../../domain/risk/money.ts";
import { type AnswerPart, problemAnswer } from "../answers.ts";
import type { Overlay } from "../overlay.ts";
import type { ShardState } from "../state.ts";
import type { WriterStore } from "../store-port.ts";

export type TransferDecision =
  | { readonly kind: "answer"; readonly answer: AnswerPart }
  /** `new`: for the bank to decide. `joins`: it is being decided. */
  | {
      readonly kind: "new" | "joins";
      readonly key: PurseKey;
      readonly wanted: { readonly transferId: string; readonly amountMinor: bigint };
    };

/** Whether the bank has to decide a transfer. Nothing changes here. */
export const decideTransfer = (
  parts: {
    readonly overlay: Overlay;
    readonly state: ShardState;
    readonly store: Pick<WriterStore, "findTransfer">;
  },
  command: Extract<Command, { readonly kind: "transfer" }>,
): TransferDecision => {
  const { overlay, state, store } = parts;
  const { accountId, asset, transferId, amount } = command;
  const key = { accountId, asset };
  const { shardIndex, homeOf } = state.risk.terms.escrow;
  if (homeOf(accountId) !== shardIndex) return refused(notHome(command, homeOf(accountId)));
  const amountMinor = parseAmount(amount);
  if (amountMinor === null) return refused(badAmount(amount));
  const known = overlay.held.transfer(key, transferId) ?? store.findTransfer(key, transferId);
  if (known !== undefined) {
    if (known.amountMinor !== amountMinor) return refused(reused(transferId, known.amountMinor));
    // Its own record is not newer than this one.
    const place = overlay.newestPlace(accountKey(accountId));
    return { kind: "answer", answer: transferAnswer(key, known, { kind: "replayed", place }) };
  }
  const wanted = { transferId, amountMinor };
  // Its bank may decide it longer than anybody has waited for it.
  const undecided = undecidedWithdrawal(overlay.held.purse(key), transferId);
  if (undecided === undefined) {
    const totalMinor = totalAfter(overlay, key, amountMinor);
    return fitsMoney(totalMinor)
      ? { kind: "new", key, wanted }
      : refused(tooMuch(command, amountMinor));
  }
  return undecided === -amountMinor
    ? { kind: "joins", key, wanted }
    : refused(reused(transferId, -undecided));
};

const parseAmount = (amount: CanonicalDecimal): bigint | null => {
  const minor = parseMoney(amount);
  if (typeof minor !== "bigint" || minor === 0n) return null;
  return fitsMoney(minor) ? minor : null;
};

/** What the account will have brought or taken out in its life. */
const totalAfter = (overlay: Overlay, key: PurseKey, amountMinor: bigint): bigint => {
  const { depositedMinor = 0n, withdrawnMinor = 0n } = overlay.held.purse(key).bank ?? {};
  return amountMinor > 0n ? depositedMinor + amountMinor : withdrawnMinor - amountMinor;
};

/** What is told of a decided transfer, once its record is replicated. */
export const transferAnswer = (
  { accountId, asset }: PurseKey,
  transfer: Transfer,
  { kind, place }: Pick<AnswerPart, "kind" | "place">,
): AnswerPart => {
  if (transfer.outcome === "PAID") {
    return { status: 200, kind, place, body: renderTransfer(accountId, asset, transfer) };
  }
  const { transferId, amountMinor } = transfer;
  const amount = formatMoney(amountMinor);
  const problem: Problem = {
    code: "insufficient_funds",
    detail: `The account does not have ${formatMoney(-amountMinor)} ${asset} free.`,
    context: { transferId, asset, amount },
  };
  return { ...problemAnswer(problem), place };
};

const refused = (problem: Problem): TransferDecision => ({
  kind: "answer",
  answer: problemAnswer(problem),
});

const notHome = (
  { accountId }: Extract<Command, { readonly kind: "transfer" }>,
  homeIndex: number,
): Problem => ({
  code: "invalid_request",
  detail: `The bank of account ${accountId} is on the shard with index ${homeIndex}.`,
  context: { accountId: String(accountId), shardIndex: homeIndex },
});

const badAmount = (amount: string): Problem => ({
  code: "invalid_request",
  detail: `amount ${amount} is not money: signed, 8 decimals at most, not zero, below 9.2e10.`,
  context: { amount },
});

const tooMuch = (
  { accountId, asset, amount }: Extract<Command, { readonly kind: "transfer" }>,
  amountMinor: bigint,
): Problem => ({
  code: "invalid_request",
  detail:
    `All ${amountMinor > 0n ? "deposits" : "withdrawals"} of account ${accountId} together can't ` +
    `pass ${formatMoney(MONEY_MINOR_MAX)} ${asset}.`,
  context: { accountId: String(accountId), asset, amount, totalMax: formatMoney(MONEY_MINOR_MAX) },
});

const reused = (transferId: string, amountMinor: bigint): Problem => ({
  code: "transfer_id_reused",
  detail: `${transferId} was used for a transfer of ${formatMoney(amountMinor)}.`,
  context: { transferId, amount: formatMoney(amountMinor) },
});
