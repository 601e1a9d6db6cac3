import { createHistogram, type RecordableHistogram } from "node:perf_hooks";

/** What became of one row. */
export type RowOutcome =
  | { readonly type: "accepted" }
  /** An earlier replay had sent it; the server gave its first answer again. */
  | { readonly type: "replayed" }
  | { readonly type: "refused"; readonly code: string }
  /** Never taken, and the server said so each time until the time for one row was over. */
  | { readonly type: "notTaken"; readonly code: string }
  /** No certain answer until the time for one row was over. */
  | { readonly type: "unknown" };

/** Counts outcomes and the time each row took, from its first request to its last answer. */
export class Tally {
  sent = 0;
  accepted = 0;
  replayed = 0;
  unknown = 0;
  readonly refusedByCode = new Map<string, number>();
  readonly notTakenByCode = new Map<string, number>();
  readonly #latencyUs: RecordableHistogram = createHistogram();

  add(outcome: RowOutcome, latencyMs: number): void {
    this.sent += 1;
    this.#latencyUs.record(Math.max(1, Math.round(latencyMs * 1000)));
    switch (outcome.type) {
      case "accepted":
        this.accepted += 1;
        return;
      case "replayed":
        this.replayed += 1;
        return;
      case "unknown":
        this.unknown += 1;
        return;
      case "refused":
        increment(this.refusedByCode, outcome.code);
        return;
      case "notTaken":
        increment(this.notTakenByCode, outcome.code);
    }
  }

  /** Whether every row has an answer that stands. */
  get certain(): boolean {
    return this.unknown === 0 && this.notTakenByCode.size === 0;
  }

  /** The lines of the summary; `elapsedMs` over all rows. */
  summary(elapsedMs: number): readonly string[] {
    const rate = elapsedMs === 0 ? 0 : Math.round((this.sent * 1000) / elapsedMs);
    const byCode = (title: string, counts: ReadonlyMap<string, number>): readonly string[] =>
      [...counts].map(([code, count]) => row(title, `${count}  ${code}`));
    return [
      row("sent", String(this.sent)),
      row("accepted", String(this.accepted)),
      ...byCode("refused", this.refusedByCode),
      row("replayed", String(this.replayed)),
      ...byCode("not taken", this.notTakenByCode),
      ...(this.unknown === 0 ? [] : [row("unknown", String(this.unknown))]),
      row("rate", `${rate} orders/s`),
      row("latency", `p50 ${this.#percentileMs(50)} ms, p99 ${this.#percentileMs(99)} ms`),
    ];
  }

  #percentileMs(percentile: number): string {
    return this.sent === 0 ? "–" : (this.#latencyUs.percentile(percentile) / 1000).toFixed(1);
  }
}

const row = (title: string, value: string): string => `${title.padEnd(10)}${value}`;

const increment = (counts: Map<string, number>, key: string): void => {
  counts.set(key, (counts.get(key) ?? 0) + 1);
};
