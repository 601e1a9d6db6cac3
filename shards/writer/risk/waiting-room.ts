/**
 * Commands that wait until a bank has answered, in arrival order for each purse. Of this process
 * only: nothing of them is stored, and a restart forgets them.
 *
 * The head of a queue is bound to the request that was made for it (`reqSeq`); a reply to another
 * request is not its own. An order that is sent again while it waits joins the one that waits.
 */
import type { AccountId, InstrumentSymbol } from "../../domain/brands.ts";
import type { Command } from "../../domain/command.ts";
import type { DecidedCommand } from "../../domain/decide/types.ts";
import { purseKey } from "../../domain/entities.ts";
import type { PurseKey } from "../../domain/escrow/types.ts";
import { differingFields } from "../../domain/order-body.ts";
import type { Waiting } from "../intake-queue.ts";

export type Asker<Sender> = Waiting<Sender, DecidedCommand>;

/** A command that needs more rights than the shard has, and all who have asked for it. */
export interface Waiter<Sender> {
  readonly key: PurseKey;
  /** The first decides; the others get what has become of it. Never empty while it waits. */
  askers: readonly Asker<Sender>[];
  /** null: no request has been made for it. */
  reqSeq: number | null;
}

/** An answer that is given so much before the deadline still arrives in time. */
const WAY_BACK_MS = 200;

export class WaitingRoom<Sender> {
  readonly #max: number;
  readonly #queues = new Map<string, Waiter<Sender>[]>();
  readonly #orders = new Map<string, Waiter<Sender>>();
  #size = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Commands that wait, joined ones not counted. */
  get size(): number {
    return this.#size;
  }

  get isFull(): boolean {
    return this.#size >= this.#max;
  }

  /** Behind all that wait for the same purse, or at their head again. */
  park(waiter: Waiter<Sender>, place: "back" | "front" = "back"): void {
    const key = purseKey(waiter.key.accountId, waiter.key.asset);
    const queue = this.#queues.get(key);
    if (queue === undefined) this.#queues.set(key, [waiter]);
    else if (place === "front") queue.unshift(waiter);
    else queue.push(waiter);
    const order = orderKey(commandOf(waiter));
    if (order !== null) this.#orders.set(order, waiter);
    this.#size++;
  }

  /**
   * The waiter of the order that this command repeats; `differs`: the id waits for another order.
   * Whoever repeats is among its askers afterwards.
   */
  join(
    waiting: Asker<Sender>,
  ): { readonly waiter: Waiter<Sender>; readonly differs: readonly string[] } | undefined {
    if (this.#size === 0) return undefined;
    const key = orderKey(waiting.command);
    const waiter = key === null ? undefined : this.#orders.get(key);
    if (waiter === undefined) return undefined;
    const first = commandOf(waiter);
    if (first.kind !== "place" || waiting.command.kind !== "place") return undefined;
    const differs = differingFields(first.request, waiting.command.request);
    if (differs.length === 0) waiter.askers = [...waiter.askers, waiting];
    return { waiter, differs };
  }

  /** Takes out the waiter that this request was made for. */
  takeBound(key: PurseKey, reqSeq: number): Waiter<Sender> | undefined {
    const bound = this.#queueOf(key).find((waiter) => waiter.reqSeq === reqSeq);
    if (bound !== undefined) this.remove(bound);
    return bound;
  }

  /** Takes out the first waiter if no request was made for it. */
  takeNext(key: PurseKey): Waiter<Sender> | undefined {
    const head = this.#queueOf(key)[0];
    if (head === undefined || head.reqSeq !== null) return undefined;
    this.remove(head);
    return head;
  }

  hasWaiters(key: PurseKey): boolean {
    return this.#size > 0 && this.#queueOf(key).length > 0;
  }

  #queueOf({ accountId, asset }: PurseKey): readonly Waiter<Sender>[] {
    return this.#queues.get(purseKey(accountId, asset)) ?? [];
  }

  /** Whether it waited. */
  remove(waiter: Waiter<Sender>): boolean {
    const key = purseKey(waiter.key.accountId, waiter.key.asset);
    const queue = this.#queues.get(key);
    const place = queue?.indexOf(waiter) ?? -1;
    if (queue === undefined || place < 0) return false;
    queue.splice(place, 1);
    if (queue.length === 0) this.#queues.delete(key);
    const order = orderKey(commandOf(waiter));
    if (order !== null) this.#orders.delete(order);
    this.#size--;
    return true;
  }

  /** Takes out an account's waiting commands about this symbol; null: about any. */
  takeOf(accountId: AccountId, symbol: InstrumentSymbol | null): readonly Waiter<Sender>[] {
    const found = this.#all().filter((waiter) => {
      const command = commandOf(waiter);
      if (waiter.key.accountId !== accountId || command.kind !== "place") return false;
      return symbol === null || command.request.symbol === symbol;
    });
    for (const waiter of found) this.remove(waiter);
    return found;
  }

  /** Takes out everybody whose deadline comes; a waiter that nobody asks for any more goes too. */
  takeExpired(now: number): readonly Asker<Sender>[] {
    const expired: Asker<Sender>[] = [];
    for (const waiter of this.#all()) {
      const late = waiter.askers.filter(({ deadlineAt }) => deadlineAt - WAY_BACK_MS <= now);
      if (late.length === 0) continue;
      expired.push(...late);
      if (late.length === waiter.askers.length) this.remove(waiter);
      else waiter.askers = waiter.askers.filter((asker) => !late.includes(asker));
    }
    return expired;
  }

  takeAll(): readonly Asker<Sender>[] {
    const all = this.#all();
    for (const waiter of all) this.remove(waiter);
    return all.flatMap(({ askers }) => askers);
  }

  #all(): readonly Waiter<Sender>[] {
    return this.#size === 0 ? [] : [...this.#queues.values()].flat();
  }
}

export const commandOf = <Sender>({ askers }: Waiter<Sender>): DecidedCommand => {
  const [first] = askers;
  if (first === undefined) throw new Error("a waiter without anybody who asked");
  return first.command;
};

const orderKey = (command: Command): string | null =>
  command.kind === "place"
    ? `${command.accountId}:${command.request.symbol}:${command.request.clientOrderId}`
    : null;
