/** Those who asked for a transfer that the bank has not decided yet. Of this process only. */
import { transferKey } from "../../domain/entities.ts";
import type { PurseKey } from "../../domain/escrow/types.ts";
import type { Waiting } from "../intake-queue.ts";

const keyOf = ({ accountId, asset }: PurseKey, transferId: string): string =>
  transferKey(accountId, asset, transferId);

export class TransferRoom<Sender> {
  readonly #undecided = new Map<string, readonly Waiting<Sender>[]>();

  get size(): number {
    return this.#undecided.size;
  }

  park(key: PurseKey, transferId: string, asker: Waiting<Sender>): void {
    const id = keyOf(key, transferId);
    this.#undecided.set(id, [...(this.#undecided.get(id) ?? []), asker]);
  }

  take(key: PurseKey, transferId: string): readonly Waiting<Sender>[] {
    const id = keyOf(key, transferId);
    const askers = this.#undecided.get(id) ?? [];
    this.#undecided.delete(id);
    return askers;
  }

  /** Takes out those who wait, wherever; gives them. */
  remove(leaving: ReadonlySet<Waiting<Sender>>): readonly Waiting<Sender>[] {
    const removed: Waiting<Sender>[] = [];
    if (leaving.size === 0) return removed;
    for (const [id, askers] of this.#undecided) {
      removed.push(...askers.filter((asker) => leaving.has(asker)));
      const staying = askers.filter((asker) => !leaving.has(asker));
      if (staying.length === 0) this.#undecided.delete(id);
      else this.#undecided.set(id, staying);
    }
    return removed;
  }

  /** Nobody waits for those any more; their outcome, when it comes, is stored all the same. */
  dropExpired(now: number): void {
    for (const [id, askers] of this.#undecided) {
      if (askers.every(({ deadlineAt }) => deadlineAt < now)) this.#undecided.delete(id);
    }
  }

  /** Takes everybody out. */
  takeAll(): readonly Waiting<Sender>[] {
    const all = [...this.#undecided.values()].flat();
    this.#undecided.clear();
    return all;
  }
}
