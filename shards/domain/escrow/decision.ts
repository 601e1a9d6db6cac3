/**
 * One decision at a time for each purse (rules G3, G4 and the home's part of docs/ALLOTMENTS.md).
 * A claim is granted as soon as enough is free, refused for lack of money only when every shard
 * that held rights has said that nothing unused is left there, and given up when the wait is over.
 * A shard's rights are never taken, only asked for; the home's own are, they stand in the same file.
 */
import { changeBank, equityOf, freeOf, isReady, lesserOf } from "./ledger.ts";
import { headroomOf, isOver, targetOf } from "./policy.ts";
import type { Claimant, Deciding, Purse } from "./state.ts";
import {
  bankOf,
  change,
  changeHomeRights,
  type Draft,
  draftUnused,
  rowOf,
  setRow,
} from "./step.ts";
import type { BankShard, ReplyCode } from "./types.ts";

/** The part that every message of the bank has. */
export const fromBank = (draft: Draft, shardIndex: number, epoch: number) => ({
  ...draft.purse.key,
  shardIndex,
  epoch,
  term: bankOf(draft).term,
});

/** The stored reply. */
export const reply = (draft: Draft, row: BankShard): void => {
  const { shardIndexes } = draft.context;
  draft.send.push({
    kind: "grant_reply",
    ...fromBank(draft, row.shardIndex, row.epoch),
    reqSeq: row.lastReq,
    code: row.replyCode,
    grantedMinor: row.replyGrantedMinor,
    targetMinor: targetOf(equityOf(bankOf(draft)), shardIndexes.length),
    freeMinor: freeOf(bankOf(draft)),
  });
};

const isSame = (a: Claimant, b: Claimant): boolean =>
  (a.kind === "home" && b.kind === "home") ||
  (a.kind === "shard" && b.kind === "shard" && a.shardIndex === b.shardIndex) ||
  (a.kind === "withdrawal" && b.kind === "withdrawal" && a.transferId === b.transferId);

const claimsOf = ({ deciding, queue }: Purse): readonly Claimant[] =>
  deciding === null ? queue : [deciding.claimant, ...queue];

export const hasHomeClaim = (purse: Purse): boolean =>
  claimsOf(purse).some(({ kind }) => kind === "home");

export const isUndecided = (purse: Purse): boolean => claimsOf(purse).length > 0;

/** How much a withdrawal that is not decided yet wants, > 0; undefined: there is none of this id. */
export const undecidedWithdrawal = (purse: Purse, transferId: string): bigint | undefined =>
  claimsOf(purse).find((claim) => claim.kind === "withdrawal" && claim.transferId === transferId)
    ?.needMinor;

/** Behind those that wait already; one that waits under the same name is the same claim. */
export const enqueue = (draft: Draft, claimant: Claimant): void => {
  if (!claimsOf(draft.purse).some((other) => isSame(other, claimant))) {
    change(draft, { queue: [...draft.purse.queue, claimant] });
  }
};

/** What has to be free for the claim; for the home what it lacks now, ≤ 0 when it lacks nothing. */
const missingOf = (draft: Draft, claimant: Claimant): bigint =>
  claimant.kind === "home"
    ? draft.usedMinor + claimant.needMinor - draft.purse.allotment.rightsMinor
    : claimant.needMinor;

/** Section 10: the home's unused rights, as far as they are missing, become free. */
export const collectHome = (draft: Draft, missingMinor: bigint): void => {
  if (draft.purse.allotment.state !== "LIVE") {
    return;
  }
  const unitsMinor = lesserOf(draftUnused(draft), missingMinor - freeOf(bankOf(draft)));
  if (unitsMinor > 0n) {
    changeHomeRights(draft, -unitsMinor);
  }
};

/** Need and headroom, all of it free now. */
const grantSize = (draft: Draft, needMinor: bigint): bigint => {
  const bank = bankOf(draft);
  return (
    needMinor +
    headroomOf(draft.context.policy, {
      equityMinor: equityOf(bank),
      freeMinor: freeOf(bank),
      needMinor,
      shardCount: draft.context.shardIndexes.length,
    })
  );
};

/** The home's order gets what it lacks, if that is free, and headroom. */
export const grantHome = (draft: Draft, missingMinor: bigint): boolean => {
  if (missingMinor > 0n && freeOf(bankOf(draft)) < missingMinor) {
    return false;
  }
  if (missingMinor > 0n) {
    changeHomeRights(draft, grantSize(draft, missingMinor));
  }
  return true;
};

const conclude = (draft: Draft, claimant: Claimant, code: ReplyCode): void => {
  draft.counts.answers[code] += 1;
  if (claimant.kind === "home") {
    if (code === "OK") {
      grantHome(draft, missingOf(draft, claimant));
      draft.usedMinor += claimant.needMinor;
    }
    draft.reply = { reqSeq: claimant.reqSeq, code, freeMinor: freeOf(bankOf(draft)) };
  } else if (claimant.kind === "withdrawal") {
    const { transferId, needMinor } = claimant;
    const bank = bankOf(draft);
    if (code === "OK") {
      change(draft, {
        bank: changeBank(bank, { withdrawnMinor: bank.withdrawnMinor + needMinor }),
      });
    }
    const outcome = code === "OK" ? "PAID" : code === "INSUFFICIENT" ? "REFUSED" : "UNAVAILABLE";
    draft.transfers.push({ transferId, amountMinor: -needMinor, outcome });
  } else {
    const row = rowOf(draft, claimant.shardIndex);
    const replyGrantedMinor = code === "OK" ? grantSize(draft, claimant.needMinor) : 0n;
    const grantedMinor = row.grantedMinor + replyGrantedMinor;
    const lastReq = claimant.reqSeq;
    setRow(draft, { ...row, grantedMinor, lastReq, replyCode: code, replyGrantedMinor });
    reply(draft, rowOf(draft, claimant.shardIndex));
  }
};

/** Shards without rights are not asked: they have nothing to give. */
const begin = (draft: Draft, claimant: Claimant): Deciding => ({
  claimant,
  round: 0,
  startedAt: draft.context.now,
  recalledAt: null,
  asked: bankOf(draft)
    .shards.filter(
      ({ shardIndex, grantedMinor }) =>
        grantedMinor > 0n &&
        shardIndex !== draft.context.homeIndex &&
        !(claimant.kind === "shard" && claimant.shardIndex === shardIndex),
    )
    .map(({ shardIndex }) => shardIndex),
  emptied: [],
  answers: [],
});

/** Not used again: `bankBoot` is new with each start, and a claim's number or id is its own. */
export const recallIdOf = (draft: Draft, { claimant, round }: Deciding): string => {
  const who =
    claimant.kind === "shard"
      ? `${claimant.shardIndex}.${claimant.reqSeq}`
      : claimant.kind === "home"
        ? `home.${claimant.reqSeq}`
        : `withdrawal.${claimant.transferId}`;
  return `${draft.context.bankBoot}.${who}.${round}`;
};

export const recall = (
  draft: Draft,
  shardIndex: number,
  recallId: string,
  askMinor: bigint,
): void => {
  const envelope = fromBank(draft, shardIndex, rowOf(draft, shardIndex).epoch);
  draft.send.push({ kind: "recall", ...envelope, recallId, askMinor });
};

/** Asks every shard that may still have something, for what is missing now. */
export const askAround = (draft: Draft, deciding: Deciding): void => {
  const missingMinor = missingOf(draft, deciding.claimant) - freeOf(bankOf(draft));
  const answered = [...deciding.emptied, ...deciding.answers.map(({ shardIndex }) => shardIndex)];
  for (const shardIndex of deciding.asked.filter((index) => !answered.includes(index))) {
    recall(draft, shardIndex, recallIdOf(draft, deciding), missingMinor);
  }
  change(draft, { deciding: { ...deciding, recalledAt: draft.context.now } });
};

/** G3: an answer counts once the events before it are applied; "not empty" calls for a new round. */
const countAnswers = (draft: Draft, deciding: Deciding): Deciding => {
  const counts = ({ shardIndex, afterEvt }: Deciding["answers"][number]): boolean =>
    afterEvt <= rowOf(draft, shardIndex).lastEvt;
  const counted = deciding.answers.filter(counts);
  const emptied = counted.filter(({ isEmpty }) => isEmpty).map(({ shardIndex }) => shardIndex);
  const isNewRound = counted.some(({ isEmpty }) => !isEmpty);
  return {
    ...deciding,
    emptied: [...deciding.emptied, ...emptied],
    round: deciding.round + (isNewRound ? 1 : 0),
    recalledAt: isNewRound ? null : deciding.recalledAt,
    answers: isNewRound ? [] : deciding.answers.filter((answer) => !counts(answer)),
  };
};

/** G4, in its order; null: wait for answers. */
const judge = (draft: Draft, deciding: Deciding): ReplyCode | null => {
  const { claimant, asked, emptied, startedAt } = deciding;
  if (claimant.kind !== "home") {
    collectHome(draft, claimant.needMinor);
  }
  const missingMinor = missingOf(draft, claimant);
  if (missingMinor <= 0n || freeOf(bankOf(draft)) >= missingMinor) {
    return "OK";
  }
  if (emptied.length === asked.length) {
    return "INSUFFICIENT";
  }
  const { now, policy } = draft.context;
  return isOver(startedAt, policy.recallWaitMs, now) ? "UNAVAILABLE" : null;
};

/** G4 and what waits behind: decides as much as can be decided now, asks where it can't. */
export const settle = (draft: Draft): void => {
  while (isReady(bankOf(draft))) {
    const [next, ...queue] = draft.purse.queue;
    if (draft.purse.deciding === null && next !== undefined) {
      change(draft, { deciding: begin(draft, next), queue });
    }
    if (draft.purse.deciding === null) {
      return;
    }
    const deciding = countAnswers(draft, draft.purse.deciding);
    const code = judge(draft, deciding);
    if (code === null) {
      change(draft, { deciding });
      if (deciding.recalledAt === null) {
        askAround(draft, deciding);
      }
      return;
    }
    change(draft, { deciding: null });
    draft.counts.recallsAnswered += deciding.asked.length > 0 && code !== "UNAVAILABLE" ? 1 : 0;
    draft.counts.recallsTimedOut += code === "UNAVAILABLE" ? 1 : 0;
    conclude(draft, deciding.claimant, code);
  }
};

/** The home's own claim, with a number of its own. */
export const claimHome = (draft: Draft, needMinor: bigint): number => {
  const reqSeq = draft.purse.allotment.reqSeq + 1;
  change(draft, { allotment: { ...draft.purse.allotment, reqSeq } });
  enqueue(draft, { kind: "home", reqSeq, needMinor });
  return reqSeq;
};
