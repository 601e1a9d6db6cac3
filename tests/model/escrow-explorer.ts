/**
 * Visits every state that a small world can reach. The network is a set from which delivery takes
 * nothing, so that each message may be lost, doubled, delayed and reordered without bound; one that
 * no handler can act on again is dropped (sequences at its receiver only grow). Time does not pass,
 * but for the action that lets the wait for recalls end.
 */
import { shardOf } from "../../shards/domain/escrow/ledger.ts";
import type { BankMessage } from "../../shards/domain/escrow/messages.ts";
import { brokenProperty, strandedAfterHealing } from "./escrow-properties.ts";
import type { World } from "./escrow-world.ts";

export interface Bounds {
  readonly name: string;
  readonly shardIndexes: readonly number[];
  readonly depositMinor: bigint;
  readonly orders: readonly { readonly shardIndex: number; readonly needMinor: bigint }[];
  /** Requests of one shard. */
  readonly requestsMax: number;
  readonly crashes: number;
  readonly fills: number;
  readonly deltas: readonly bigint[];
  readonly withdrawals: readonly bigint[];
  readonly deposits: readonly bigint[];
}

export interface Explored {
  readonly states: number;
  readonly transitions: number;
  /** The first state found in which a property is broken, with the actions that led there. */
  readonly broken: string | null;
}

interface Left {
  readonly crashes: number;
  readonly fills: number;
}

interface State {
  readonly world: World;
  readonly left: Left;
  readonly path: Path | null;
}

interface Path {
  readonly action: string;
  readonly before: Path | null;
}

type Act = (label: string, left: Left, action: (world: World) => void) => void;

const NEVER = -1_000_000;

const plain = (_key: string, value: unknown): unknown =>
  typeof value === "bigint" ? `${value}` : value instanceof Map ? [...value] : value;

const textOf = (value: unknown): string => JSON.stringify(value, plain);

/** Times, acknowledged events and messages without effect would only split equal states. */
const normalise = (world: World): void => {
  world.now = 1_000;
  const { bank } = world.home.purse;
  for (const place of world.places.values()) {
    const { purse } = place;
    const row = bank ? shardOf(bank, place.index) : undefined;
    const outbox = purse.allotment.outbox.filter(({ evtSeq }) => evtSeq > (row?.lastEvt ?? 0));
    const deciding = purse.deciding && { ...purse.deciding, startedAt: 1_000, recalledAt: 1_000 };
    const sending = { ...purse.sending, at: NEVER, deficitAskedAt: null, targetMinor: null };
    const allotment = { ...purse.allotment, outbox };
    world.change(place.index, { purse: { ...purse, allotment, deciding, sending } });
  }
  const messages = new Map<string, BankMessage>();
  for (const message of world.network) {
    if (mayMatter(world, message)) {
      messages.set(textOf(message), message);
    }
  }
  world.network = [...messages].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, message]) => message);
};

const mayMatter = (world: World, message: BankMessage): boolean => {
  const { bank, deciding } = world.home.purse;
  const { allotment } = world.place(message.shardIndex).purse;
  const row = bank ? shardOf(bank, message.shardIndex) : undefined;
  if (message.kind === "event") {
    return message.event.evtSeq > (row?.lastEvt ?? 0);
  }
  if (message.kind === "grant_request") {
    const isPending = allotment.pending?.reqSeq === message.reqSeq;
    return isPending || message.reqSeq > (row?.lastReq ?? 0);
  }
  if (message.kind === "grant_reply") {
    return allotment.pending?.reqSeq === message.reqSeq;
  }
  if (message.kind === "recall" || message.kind === "recall_answer") {
    return (
      deciding !== null &&
      isOfRound(message.recallId, deciding, world.home.boot) &&
      !deciding.emptied.includes(message.shardIndex)
    );
  }
  return false;
};

const isOfRound = (
  recallId: string,
  { claimant, round }: NonNullable<World["home"]["purse"]["deciding"]>,
  boot: number,
): boolean => {
  const who =
    claimant.kind === "shard"
      ? `${claimant.shardIndex}.${claimant.reqSeq}`
      : claimant.kind === "home"
        ? `home.${claimant.reqSeq}`
        : `withdrawal.${claimant.transferId}`;
  return recallId === `boot${boot}.${who}.${round}`;
};

/** What the future depends on; refused claims are judged by the growths that are noted. */
const keyOf = ({ world, left }: State): string => {
  const { emptyAt, requestedAt, outcomes } = world.ghosts;
  const { deciding } = world.home.purse;
  const places = [...world.places.values()].map((place) => [
    place.purse.allotment,
    place.purse.bank && { ...place.purse.bank, version: 0 },
    place.orders,
    place.waiters,
    place.transfers,
    place.purse.allotment.pending &&
      (requestedAt.get(`${place.index}.${place.purse.allotment.pending.reqSeq}`) ?? 0) -
        place.growth,
    deciding && [...emptyAt].filter(([name]) => name.endsWith(`/${place.index}`)),
    deciding && place.growth,
    place.boot,
  ]);
  const { queue } = world.home.purse;
  return textOf([places, deciding, queue, world.network, left, [...outcomes].sort()]);
};

const tradeActions = (state: State, bounds: Bounds, act: Act): void => {
  const { world, left } = state;
  bounds.orders.forEach(({ shardIndex, needMinor }, at) => {
    const key = `k${at}`;
    const { orders, purse, waiters } = world.place(shardIndex);
    const order = orders.get(key);
    if (order?.state === "open") {
      act(`cancel ${key}`, left, (next) => next.cancel(shardIndex, key));
      for (const delta of left.fills > 0 ? bounds.deltas : []) {
        const fewer = { ...left, fills: left.fills - 1 };
        act(`fill ${key} ${delta}`, fewer, (next) => next.fill(shardIndex, key, delta, 0n));
      }
    } else if (order === undefined && purse.allotment.reqSeq < bounds.requestsMax) {
      if (!waiters.some((waiter) => waiter.key === key)) {
        act(`submit ${key}`, left, (next) => next.submit(shardIndex, key, needMinor));
      }
    }
  });
};

const faultActions = (state: State, act: Act): void => {
  const { world, left } = state;
  const { deciding } = world.home.purse;
  if (deciding !== null) {
    act("the wait is over", left, (next) => {
      next.now += next.settings.policy.recallWaitMs;
      next.tick(next.home.index);
    });
  }
  for (const index of left.crashes > 0 ? world.settings.shardIndexes : []) {
    const { waiters } = world.place(index);
    if (waiters.length > 0 || (index === world.home.index && deciding !== null)) {
      const fewer = { ...left, crashes: left.crashes - 1 };
      act(`crash ${index}`, fewer, (next) => next.crash(index));
    }
  }
};

const moveActions = (state: State, bounds: Bounds, act: Act): void => {
  const { world, left } = state;
  const isWaiting = (id: string): boolean =>
    [world.home.purse.deciding?.claimant, ...world.home.purse.queue].some(
      (claimant) => claimant?.kind === "withdrawal" && claimant.transferId === id,
    );
  for (const amountMinor of [...bounds.deposits, ...bounds.withdrawals.map((n) => -n)]) {
    const id = `${amountMinor}`;
    if (!world.home.transfers.has(id) && !isWaiting(id)) {
      act(`move ${id}`, left, (next) => next.move(id, amountMinor));
    }
  }
};

const nextStates = (state: State, bounds: Bounds): readonly State[] => {
  const found: State[] = [];
  const act: Act = (label, left, action) => {
    const world = state.world.copy();
    action(world);
    for (const index of world.settings.shardIndexes) {
      world.replicate(index);
      world.reconnect(index);
    }
    normalise(world);
    found.push({ world, left, path: { action: label, before: state.path } });
  };
  for (const message of state.world.network) {
    act(`deliver ${textOf(message)}`, state.left, (next) => next.deliver(message));
  }
  tradeActions(state, bounds, act);
  faultActions(state, act);
  moveActions(state, bounds, act);
  return found;
};

const pathText = (path: Path | null): string =>
  path === null ? "" : `${pathText(path.before)}\n  ${path.action}`;

/** Breadth first, so that what it finds is as short as can be. */
export const explore = (start: World, bounds: Bounds): Explored => {
  start.move("first", bounds.depositMinor);
  normalise(start);
  const { crashes, fills } = bounds;
  let level: readonly State[] = [{ world: start, left: { crashes, fills }, path: null }];
  const seen = new Set<number | bigint>();
  const drained = new Set<number | bigint>();
  let transitions = 0;
  while (level.length > 0) {
    const deeper: State[] = [];
    for (const state of level) {
      for (const next of nextStates(state, bounds)) {
        transitions += 1;
        const hash = Bun.hash(keyOf(next));
        if (seen.has(hash)) {
          continue;
        }
        seen.add(hash);
        const broken =
          next.world.violation ?? brokenProperty(next.world) ?? stranded(next.world, drained);
        if (broken !== null) {
          const trace = `${broken}${pathText(next.path)}`;
          return { states: seen.size, transitions, broken: trace };
        }
        deeper.push(next);
      }
    }
    level = deeper;
  }
  return { states: seen.size, transitions, broken: null };
};

const stranded = (world: World, drained: Set<number | bigint>): string | null => {
  const hash = Bun.hash(
    textOf([
      [...world.places.values()].map(({ purse, orders, waiters }) => [purse, orders, waiters]),
    ]),
  );
  if (drained.has(hash)) {
    return null;
  }
  drained.add(hash);
  return strandedAfterHealing(world);
};
