/** A seeded life of one account: what clients do, what the network does to messages, crashes. */
import { DEFAULT_ESCROW_POLICY } from "../../shards/domain/escrow/policy.ts";
import { type Random, wholeOf } from "../support/random.ts";
import type { WorldSettings } from "./escrow-place.ts";
import type { World } from "./escrow-world.ts";

/** How one run goes; all probabilities 0 … 1. */
export interface RunPlan extends WorldSettings {
  readonly tradingIndexes: readonly number[];
  readonly depositMinor: bigint;
  readonly needMax: number;
  readonly lossMax: number;
  readonly dropRate: number;
  readonly doubleRate: number;
  readonly crashRate: number;
  /** Messages are taken from anywhere, not from the front. */
  readonly reorders: boolean;
}

const pick = <T>(random: Random, all: readonly T[]): T | undefined =>
  all[Math.floor(random() * all.length)];

export const randomPlan = (random: Random): RunPlan => {
  const isHomeIdle = random() < 0.3;
  const isCalm = random() < 0.3;
  return {
    shardIndexes: isHomeIdle ? [1, 2, 3, 4] : [1, 2, 3],
    homeIndex: 1,
    tradingIndexes: isHomeIdle ? [2, 3, 4] : [1, 2, 3],
    overhangs: random() < 0.15,
    depositMinor: BigInt(wholeOf(random, 2, 16)),
    needMax: wholeOf(random, 1, 4),
    lossMax: random() < 0.4 ? 0 : wholeOf(random, 1, 9),
    dropRate: isCalm ? 0 : random() * 0.3,
    doubleRate: isCalm ? 0 : random() * 0.3,
    crashRate: isCalm ? 0 : random() * 0.05,
    reorders: !isCalm,
    policy: {
      ...DEFAULT_ESCROW_POLICY,
      exactBelowNeeds: pick(random, [0, 2, 100]) ?? 0,
      recallWaitMs: pick(random, [10, 60]) ?? 10,
      resendMs: 8,
      idleMs: 30,
      overhangRetryMs: 25,
      outboxMax: pick(random, [2, 10_000]) ?? 2,
      sendWindow: pick(random, [1, 2, 256]) ?? 1,
    },
  };
};

const trade = (world: World, plan: RunPlan, random: Random): void => {
  const index = pick(random, plan.tradingIndexes) ?? plan.homeIndex;
  const { orders, positionMinor, waiters } = world.place(index);
  const open = [...orders].filter(([, { state }]) => state === "open").map(([key]) => key);
  const key = pick(random, open);
  const deltaMinor = BigInt(wholeOf(random, -plan.lossMax, Math.min(2, plan.lossMax)));
  const what = random();
  if (what < 0.5) {
    const needMinor = BigInt(wholeOf(random, 1, plan.needMax));
    world.submit(index, `${index}/${wholeOf(random, 1, 40)}`, needMinor);
  } else if (what < 0.7 && key !== undefined) {
    world.cancel(index, key);
  } else if (what < 0.85 && key !== undefined) {
    const needMinor = orders.get(key)?.needMinor ?? 0n;
    const more = plan.overhangs ? 2 : 0;
    const kept = BigInt(wholeOf(random, 0, Number(needMinor) + more));
    world.fill(index, key, deltaMinor, kept);
  } else if (what < 0.95 && positionMinor > 0n) {
    world.closePosition(index, deltaMinor);
  } else {
    const waiter = pick(random, waiters);
    if (waiter !== undefined) {
      world.forget(index, waiter.key);
    }
  }
};

const passMessage = (world: World, plan: RunPlan, random: Random): void => {
  const at = plan.reorders ? Math.floor(random() * world.network.length) : 0;
  const message = world.network[at];
  if (message === undefined) {
    return;
  }
  if (random() >= plan.doubleRate) {
    world.network = world.network.toSpliced(at, 1);
  }
  if (random() >= plan.dropRate) {
    world.deliver(message);
  }
};

const passTime = (world: World, plan: RunPlan, random: Random): void => {
  world.now += wholeOf(random, 0, 6);
  for (const index of plan.shardIndexes) {
    if (random() < 0.4) {
      world.replicate(index);
    }
    world.tick(index);
  }
};

/** One action. */
export const step = (world: World, plan: RunPlan, random: Random): void => {
  world.crashAfterCommit = random() < plan.crashRate;
  const what = random();
  if (what < 0.2) {
    trade(world, plan, random);
  } else if (what < 0.3) {
    passTime(world, plan, random);
  } else if (what < 0.33) {
    // Few ids, so that sources repeat themselves.
    const sign = random() < 0.4 ? 1n : -1n;
    world.move(`${sign}/${wholeOf(random, 1, 6)}`, sign * BigInt(wholeOf(random, 1, 6)));
  } else if (what < 0.34) {
    world.reconnect(pick(random, plan.shardIndexes) ?? plan.homeIndex);
  } else {
    passMessage(world, plan, random);
  }
  world.crashAfterCommit = false;
};
