/** Counts of times in buckets that grow by 2 %: as good as sorting all of them, in little memory. */
const GROWTH = 1.02;
const LOG_GROWTH = Math.log(GROWTH);
/** Everything below a microsecond is one bucket. */
const SMALLEST_MS = 0.001;

export class Histogram {
  readonly #buckets: number[] = [];
  #count = 0;
  #sum = 0;

  get count(): number {
    return this.#count;
  }

  /** Exact; NaN of nothing. */
  get mean(): number {
    return this.#sum / this.#count;
  }

  record(ms: number): void {
    const place = ms <= SMALLEST_MS ? 0 : Math.ceil(Math.log(ms / SMALLEST_MS) / LOG_GROWTH);
    this.#buckets[place] = (this.#buckets[place] ?? 0) + 1;
    this.#count++;
    this.#sum += ms;
  }

  /** The upper edge of the bucket that has the value of this rank (nearest rank); NaN of nothing. */
  percentile(share: number): number {
    const rank = Math.max(1, Math.ceil(this.#count * share));
    let seen = 0;
    for (const [place, count] of this.#buckets.entries()) {
      seen += count ?? 0;
      if (seen >= rank) return SMALLEST_MS * GROWTH ** place;
    }
    return Number.NaN;
  }
}
