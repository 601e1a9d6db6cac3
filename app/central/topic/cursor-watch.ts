/** Central's cursors only ever grow, unless its database was put back while this process runs. */
import type { Cursor } from "../../../shards/protocol/hello.ts";

export class CursorWatch {
  /** By shard and partition. */
  readonly #cursors = new Map<string, Cursor>();

  /** Is this cursor behind one that central gave before? */
  wentBack({ shard, cursor }: { readonly shard: string; readonly cursor: Cursor }): boolean {
    const stream = `${shard}/${cursor.partition}`;
    const before = this.#cursors.get(stream);
    this.#cursors.set(stream, cursor);
    if (before === undefined) return false;
    if (cursor.epoch !== before.epoch) return cursor.epoch < before.epoch;
    return cursor.seq < before.seq;
  }

  clear(): void {
    this.#cursors.clear();
  }
}
