/** What a verification may find: a closed list, each with where and what. */

export const DIFFERENCES = {
  other_central: "the file belongs to another central store",
  file_behind: "central has records that the file lacks",
  record_missing: "the file's journal has a hole",
  record_altered: "a record is not what its hash was made of",
  record_unreadable: "a record's value cannot be read",
  end_differs: "central's last record of the partition is another one",
  order_missing: "central lacks an accepted order",
  order_unknown: "central has an order that the shard never had",
  orders_miscounted: "central has not one order for each id that the shard gave out",
  acceptance_differs: "central's order was accepted otherwise",
  order_differs: "central's order is not as the shard has it",
  order_behind: "central lacks a change of the order",
  order_ahead: "central has a change of the order that the shard never made",
  refusal_missing: "central lacks a refusal",
  refusal_differs: "central's refusal is another one",
  refusal_unknown: "central has a refusal that the shard never gave",
  entity_missing: "central lacks something that the shard keeps beside its orders",
  entity_behind: "central lacks a change of it",
  entity_differs: "central has it otherwise",
  entity_ahead: "central has a change of it that the shard never made",
  entity_unknown: "central has something beside the orders that the shard never had",
} as const;
export type DifferenceCode = keyof typeof DIFFERENCES;

export interface Difference {
  readonly code: DifferenceCode;
  /** `order 2049`, `record 17`, `partition 3`, `position_changed 42:BTCUSDT:BOTH`. */
  readonly where: string;
  /** What each side has, cut to what a line holds. */
  readonly detail: string;
}

/** Remembered, to count each difference once; beyond it they are counted as they come. */
const REMEMBERED_MAX = 100_000;
const DETAIL_MAX = 800;

/** Counts all, keeps the first. */
export class Findings {
  readonly first: Difference[] = [];
  readonly #shownMax: number;
  readonly #seen = new Set<string>();
  count = 0;

  constructor(shownMax: number) {
    this.#shownMax = shownMax;
  }

  add(code: DifferenceCode, where: string, detail: string): void {
    const name = `${code} ${where}`;
    if (this.#seen.has(name)) return;
    if (this.#seen.size < REMEMBERED_MAX) this.#seen.add(name);
    this.count++;
    if (this.first.length >= this.#shownMax) return;
    this.first.push({ code, where, detail: detail.slice(0, DETAIL_MAX) });
  }
}

/** `central …; shard …` for two texts, from shortly before where they part. */
export const bothTexts = (inCentral: string, inShard: string): string => {
  let at = 0;
  while (at < inCentral.length && inCentral[at] === inShard[at]) at++;
  const from = Math.max(0, at - BEFORE);
  const part = (text: string): string => {
    const cut = text.slice(from, from + AROUND);
    return `${from > 0 ? "…" : ""}${cut}${from + AROUND < text.length ? "…" : ""}`;
  };
  return `central: ${part(inCentral)} shard: ${part(inShard)}`;
};

const BEFORE = 40;
const AROUND = 160;
