/** Checks that hold after every commit; what they return is a defect each, in a sentence. */
import { shardOf } from "./ledger.ts";
import type { Purse } from "./state.ts";
import type { Allotment, Bank } from "./types.ts";

export interface HeldAllotment {
  readonly shardIndex: number;
  readonly allotment: Allotment;
}

const sumOf = <T>(all: readonly T[], of: (one: T) => bigint): bigint =>
  all.reduce((sum, one) => sum + of(one), 0n);

/** What one shard can see alone; `homeIndex` of a purse that has its bank here. */
export const auditPurse = (purse: Purse, homeIndex: number): readonly string[] => {
  const { allotment, bank } = purse;
  const { rightsMinor, evtSeq, outbox, pending, reqSeq } = allotment;
  const found: string[] = [];
  if (rightsMinor < 0n) {
    found.push(`rights are ${rightsMinor}`);
  }
  if (outbox.some((event, at) => event.evtSeq !== evtSeq - outbox.length + 1 + at)) {
    found.push(`the outbox is not gapless up to event ${evtSeq}`);
  }
  if (pending !== null && pending.reqSeq !== reqSeq) {
    found.push(`request ${pending.reqSeq} is pending, but ${reqSeq} was the last`);
  }
  if (bank !== null) {
    const row = shardOf(bank, homeIndex);
    if (row?.grantedMinor !== rightsMinor) {
      found.push(`the home holds ${rightsMinor}, its bank granted it ${row?.grantedMinor}`);
    }
    if (row?.pnlTotalMinor !== allotment.pnlTotalMinor) {
      found.push(`the home made ${allotment.pnlTotalMinor}, its bank has ${row?.pnlTotalMinor}`);
    }
    if (outbox.length > 0 || pending !== null) {
      found.push("the home has something on the way to itself");
    }
    for (const { shardIndex, grantedMinor } of bank.shards) {
      if (grantedMinor < 0n) {
        found.push(`${grantedMinor} are granted to shard ${shardIndex}`);
      }
    }
  }
  return found;
};

/**
 * A bank against the other shards' allotments, all read at one moment: every unit granted is in the
 * shard's rights, in an event that the bank has not applied, or in a reply not credited yet.
 * Allotments of another epoch than the bank's, and those that reconcile, are left out.
 */
export const auditGranted = (bank: Bank, held: readonly HeldAllotment[]): readonly string[] => {
  const found: string[] = [];
  for (const { shardIndex, allotment } of held) {
    const row = shardOf(bank, shardIndex);
    if (
      row === undefined ||
      allotment.state !== "LIVE" ||
      ![0, allotment.epoch].includes(row.epoch)
    ) {
      continue;
    }
    const { pending, rightsMinor, outbox, pnlTotalMinor, unsecuredTotalMinor } = allotment;
    const open = outbox.filter(({ evtSeq }) => evtSeq > row.lastEvt);
    const replied = pending?.reqSeq === row.lastReq ? row.replyGrantedMinor : 0n;
    const heldMinor = rightsMinor + sumOf(open, ({ unitsMinor }) => unitsMinor) + replied;
    if (row.grantedMinor !== heldMinor) {
      found.push(`shard ${shardIndex} accounts for ${heldMinor} of ${row.grantedMinor} granted`);
    }
    const appliedMinor = row.pnlTotalMinor + sumOf(open, ({ deltaMinor }) => deltaMinor);
    if (appliedMinor !== pnlTotalMinor) {
      found.push(`shard ${shardIndex} made ${pnlTotalMinor}, the bank will have ${appliedMinor}`);
    }
    if (row.unsecuredTotalMinor > unsecuredTotalMinor) {
      found.push(`the bank has more unsecured losses than shard ${shardIndex} made`);
    }
  }
  return found;
};
