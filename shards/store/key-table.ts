/**
 * Key hash → commitSeq of the outcomes of one generation, in memory: two flat arrays, open
 * addressing, nothing for the garbage collector to walk. A key's slot comes from the hash's upper
 * bits, so that walking the slots gives the hashes almost sorted, as the index wants them.
 */
export const HASH_BITS = 53;

export class KeyTable {
  readonly slots: number;
  readonly #hashes: Float64Array;
  readonly #commitSeqs: Float64Array;
  readonly #slotOf: number;
  #count = 0;

  /** Holds up to `capacity` keys at a load of one half at most. */
  constructor(capacity: number) {
    const bits = Math.ceil(Math.log2(capacity * 2));
    this.slots = 2 ** bits;
    this.#slotOf = 2 ** (bits - HASH_BITS);
    this.#hashes = new Float64Array(this.slots);
    this.#commitSeqs = new Float64Array(this.slots);
  }

  get count(): number {
    return this.#count;
  }

  add(hash: number, commitSeq: number): void {
    let slot = Math.floor(hash * this.#slotOf);
    while (this.#commitSeqs[slot] !== 0) slot = slot + 1 === this.slots ? 0 : slot + 1;
    this.#hashes[slot] = hash;
    this.#commitSeqs[slot] = commitSeq;
    this.#count++;
  }

  /** Every commitSeq under this hash; different keys may share one. */
  find(hash: number): readonly number[] {
    let slot = Math.floor(hash * this.#slotOf);
    let found: number[] | undefined;
    for (;;) {
      const commitSeq = this.#commitSeqs[slot] ?? 0;
      if (commitSeq === 0) return found ?? NONE;
      if (this.#hashes[slot] === hash) found = [...(found ?? NONE), commitSeq];
      slot = slot + 1 === this.slots ? 0 : slot + 1;
    }
  }

  /** Itself, or a smaller one with the same keys when it was made for many more. */
  compacted(): KeyTable {
    if (this.#count * 4 >= this.slots) return this;
    const smaller = new KeyTable(Math.max(1, this.#count));
    this.forEach(0, this.slots, (hash, commitSeq) => smaller.add(hash, commitSeq));
    return smaller;
  }

  /** Calls `visit` for the keys in slots `from` … `to - 1`. */
  forEach(from: number, to: number, visit: (hash: number, commitSeq: number) => void): void {
    for (let slot = from; slot < Math.min(to, this.slots); slot++) {
      const commitSeq = this.#commitSeqs[slot] ?? 0;
      if (commitSeq !== 0) visit(this.#hashes[slot] ?? 0, commitSeq);
    }
  }
}

const NONE: readonly number[] = [];

/** 53 bits of wyhash over the key; collisions are possible and every hit is verified. */
export const hashKey = (key: string): number =>
  Number(BigInt.asUintN(HASH_BITS, Bun.hash.wyhash(key)));
