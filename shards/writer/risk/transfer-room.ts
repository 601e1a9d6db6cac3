/** Those who asked for a transfer that the bank has not decided yet. Of this process only. */
import { transferKey } from "../../domain/entities.ts";
import type { PurseKey } from "../../domain/escrow/types.ts";
import type { Waiting } from "../intake-queue.ts";

interface Undecided<Sender> {
  readonly amountMinor: bigint;
  askers: readonly Waiting<Sender>[];
}

const keyOf = ({ accountId, asset }: PurseKey, transferId: string): string =>
  transferKey(accountId, asset, transferId);

export class TransferRoom<Sender> {
  readonly #undecided = new Map<string, Undecided<Sender>>();

  get size(): number {
    return this.#undecided.size;
  }

  /** What an id waits with; undefined: it does not wait. */
  amountOf(key: PurseKey, transferId: string): bigint | undefined {
    return this.#undecided.get(keyOf(key, transferId))?.amountMinor;
  }

  park(key: PurseKey, transferId: string, amountMinor: bigint, asker: Waiting<Sender>): void {
    const id = keyOf(key, transferId);
    const known = this.#undecided.get(id);
    if (known === undefined) this.#undecided.set(id, { amountMinor, askers: [asker] });
    else known.askers = [...known.askers, asker];
  }

  take(key: PurseKey, transferId: string): readonly Waiting<Sender>[] {
    const id = keyOf(key, transferId);
    const askers = this.#undecided.get(id)?.askers ?? [];
    this.#undecided.delete(id);
    return askers;
  }

  /** Takes out those who wait, wherever; gives them. */
  remove(leaving: ReadonlySet<Waiting<Sender>>): readonly Waiting<Sender>[] {
    const removed: Waiting<Sender>[] = [];
    if (leaving.size === 0) return removed;
    for (const [id, undecided] of this.#undecided) {
      removed.push(...undecided.askers.filter((asker) => leaving.has(asker)));
      undecided.askers = undecided.askers.filter((asker) => !leaving.has(asker));
      if (undecided.askers.length === 0) this.#undecided.delete(id);
    }
    return removed;
  }

  /** Nobody waits for those any more; their outcome, when it comes, is stored all the same. */
  dropExpired(now: number): void {
    for (const [id, { askers }] of this.#undecided) {
      if (askers.every(({ deadlineAt }) => deadlineAt < now)) this.#undecided.delete(id);
    }
  }

  /** Takes everybody out. */
  takeAll(): readonly Waiting<Sender>[] {
    const all = [...this.#undecided.values()].flatMap(({ askers }) => askers);
    this.#undecided.clear();
    return all;
  }
}
