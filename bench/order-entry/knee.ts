/** Where a system that is offered more and more orders stops keeping up. */

/** One offered rate, medians of its rounds. */
export interface Offered {
  /** Orders a second that were due. */
  readonly offered: number;
  readonly accepted: number;
  /** Of accepted orders, from due to answered. */
  readonly p99Ms: number;
}

export const KNEE = {
  /** Of what was due, accepted at least. */
  acceptedShareMin: 0.99,
  /** As long as an order may wait for its batch before it is shed. */
  p99MsMax: 50,
} as const;

export const KNEE_RULE =
  "the highest offered rate at which, as at every lower one, at least 99 % of what was due was " +
  "accepted with a p99 of at most 50 ms, which is as long as a new order may wait in the shard";

/** The knee's rate; null when not even the lowest rate is kept up with. */
export const kneeOf = (points: readonly Offered[]): number | null => {
  let knee: number | null = null;
  for (const point of points.toSorted((a, b) => a.offered - b.offered)) {
    if (!keepsUp(point)) break;
    knee = point.offered;
  }
  return knee;
};

const keepsUp = ({ offered, accepted, p99Ms }: Offered): boolean =>
  accepted >= KNEE.acceptedShareMin * offered && p99Ms <= KNEE.p99MsMax;
