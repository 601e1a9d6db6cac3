/** What has to hold in a {@link World}, by the names that docs/ALLOTMENTS.md gives. */
import { auditGranted, auditPurse } from "../../shards/domain/escrow/audit.ts";
import { equityOf, freeOf, shardOf, unsecuredOf } from "../../shards/domain/escrow/ledger.ts";
import { unusedOf } from "../../shards/domain/escrow/purse.ts";
import type { Claimant } from "../../shards/domain/escrow/state.ts";
import type { AllotmentEvent, Bank } from "../../shards/domain/escrow/types.ts";
import { type Place, type Refused, usedOf } from "./escrow-place.ts";
import type { World } from "./escrow-world.ts";

const bankOf = (world: World): Bank => {
  const { bank } = world.home.purse;
  if (bank === null) {
    throw new Error("The home has no bank.");
  }
  return bank;
};

const unapplied = (bank: Bank, place: Place): readonly AllotmentEvent[] =>
  place.purse.allotment.outbox.filter(
    ({ evtSeq }) => evtSeq > (shardOf(bank, place.index)?.lastEvt ?? 0),
  );

const deltasOf = (events: readonly AllotmentEvent[]): bigint =>
  events.reduce((sum, { deltaMinor }) => sum + deltaMinor, 0n);

/** S1, I1, S2 of one moment; null when all hold. S3 and S6 are noted by the world as they happen. */
export const brokenProperty = (world: World): string | null => {
  const bank = bankOf(world);
  const places = [...world.places.values()];
  let usedMinor = 0n;
  let equityMinor = equityOf(bank);
  let bookedLossMinor = 0n;
  let bookedMinor = 0n;
  for (const place of places) {
    const { allotment } = place.purse;
    if (!world.settings.overhangs && usedOf(place) > allotment.rightsMinor) {
      return `S1 shard ${place.index} uses ${usedOf(place)} of ${allotment.rightsMinor}`;
    }
    usedMinor += usedOf(place);
    equityMinor += deltasOf(unapplied(bank, place));
    bookedLossMinor += allotment.unsecuredTotalMinor;
    bookedMinor += allotment.pnlTotalMinor;
    const [found] = auditPurse(place.purse, world.settings.homeIndex);
    if (found !== undefined) {
      return `S2 shard ${place.index}: ${found}`;
    }
  }
  const { madeMinor, movedMinor, unsecuredMinor } = world.ghosts;
  if (!world.settings.overhangs && usedMinor > equityMinor + unsecuredMinor) {
    return `S1 used ${usedMinor}, equity ${equityMinor}, unsecured losses ${unsecuredMinor}`;
  }
  if (freeOf(bank) < -unsecuredOf(bank)) {
    return `I1 free is ${freeOf(bank)}, unsecured losses are ${unsecuredOf(bank)}`;
  }
  if (bookedMinor !== madeMinor || equityMinor !== madeMinor + movedMinor) {
    return `S2 made ${madeMinor}, moved ${movedMinor}, booked ${bookedMinor}, ${equityMinor} there`;
  }
  if (bookedLossMinor !== unsecuredMinor) {
    return `S2 unsecured losses are ${unsecuredMinor}, booked ${bookedLossMinor}`;
  }
  const held = places.map(({ index, purse }) => ({
    shardIndex: index,
    allotment: purse.allotment,
  }));
  const [found] = auditGranted(bank, held);
  return found === undefined ? null : `S2 ${found}`;
};

/**
 * S5: the account had the money when the last shard answered, and nothing had come free at a shard
 * since its answer, at the requester since its request. A shard without rights is not asked, so a
 * profit on its way from there does not count.
 */
export const falseRefusal = (world: World, refused: Refused): string | null => {
  const { claimant, deciding } = refused;
  const bank = bankOf(world);
  const requester = claimant.kind === "shard" ? claimant.shardIndex : null;
  const isOwnDecision =
    deciding?.claimant.kind === claimant.kind &&
    (claimant.kind !== "shard" ||
      (deciding.claimant.kind === "shard" && deciding.claimant.shardIndex === requester));
  const asked = isOwnDecision ? deciding.asked : [];
  let coveredMinor = equityOf(bank) - refused.promisedMinor;
  for (const place of world.places.values()) {
    const row = shardOf(bank, place.index);
    const { pending } = place.purse.allotment;
    const isCredited = pending === null || pending.reqSeq !== row?.lastReq;
    coveredMinor -= usedOf(place) + (isCredited ? 0n : (row?.replyGrantedMinor ?? 0n));
    if (asked.includes(place.index) || place.index === requester) {
      coveredMinor += deltasOf(unapplied(bank, place));
      const known =
        place.index === requester && claimant.kind === "shard"
          ? world.ghosts.requestedAt.get(`${place.index}.${claimant.reqSeq}`)
          : world.ghosts.emptyAt.get(`${claimName(world, claimant)}/${place.index}`);
      if (known !== place.growth) {
        return null;
      }
    }
  }
  return coveredMinor >= claimant.needMinor
    ? `S5 ${claimName(world, claimant)} was refused ${claimant.needMinor} of ${coveredMinor}`
    : null;
};

const claimName = (world: World, claimant: Claimant): string => {
  const boot = `boot${world.home.boot}`;
  if (claimant.kind === "shard") {
    return `${boot}.${claimant.shardIndex}.${claimant.reqSeq}`;
  }
  return claimant.kind === "home"
    ? `${boot}.home.${claimant.reqSeq}`
    : `${boot}.withdrawal.${claimant.transferId}`;
};

const ROUNDS_MAX = 200;

const isQuiet = (world: World): boolean =>
  world.network.length === 0 &&
  [...world.places.values()].every(
    ({ purse, waiters }) =>
      purse.allotment.pending === null &&
      purse.allotment.outbox.length === 0 &&
      purse.deciding === null &&
      purse.queue.length === 0 &&
      waiters.length === 0,
  );

/** Everything arrives, in order and once; the clock goes on until nobody waits for anything. */
const runHealed = (world: World): boolean => {
  for (let round = 0; round < ROUNDS_MAX && world.violation === null; round += 1) {
    for (let count = 0; world.network.length > 0 && count < 10_000; count += 1) {
      const [message, ...rest] = world.network;
      world.network = rest;
      if (message !== undefined) {
        world.deliver(message);
      }
    }
    if (isQuiet(world)) {
      return true;
    }
    world.now += world.settings.policy.resendMs;
    for (const index of world.settings.shardIndexes) {
      world.replicate(index);
      world.tick(index);
    }
  }
  return false;
};

/**
 * S4, on a copy: with all messages lost and no more faults everything is answered, and all that no
 * order uses can be paid out.
 */
export const strandedAfterHealing = (original: World): string | null => {
  const world = original.copy();
  world.network = [];
  world.crashAfterCommit = false;
  if (!runHealed(world)) {
    return world.violation ?? "S4 something is never answered";
  }
  const places = [...world.places.values()];
  const unusedMinor = places.reduce((sum, { purse, ...place }) => {
    return sum + unusedOf(purse, usedOf({ purse, ...place }));
  }, 0n);
  const spendableMinor = freeOf(bankOf(world)) + unusedMinor;
  if (spendableMinor > 0n) {
    world.move("everything", -spendableMinor);
    runHealed(world);
    if (world.home.transfers.get("everything") !== "PAID") {
      return `S4 ${spendableMinor} are unused, but can't be paid out`;
    }
  }
  return world.violation ?? brokenProperty(world);
};
