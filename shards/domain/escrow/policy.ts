/** How much a bank gives beyond what was asked, and how long everybody waits. */
export interface EscrowPolicy {
  /**
   * A request for more than the equity divided by this is granted exactly, without headroom: so
   * few of such orders fit into the account that headroom would only lock them out elsewhere.
   */
  readonly exactBelowNeeds: number;
  /** How long a bank waits for the answers to its recalls before it says UNAVAILABLE. */
  readonly recallWaitMs: number;
  /** What was sent and not answered for so long is sent again. */
  readonly resendMs: number;
  /** Rights beyond twice the target go back to the target after so long. */
  readonly idleMs: number;
  /** How long a request for the overhang that was not granted is left alone. */
  readonly overhangRetryMs: number;
  /** With so many events not acknowledged a purse takes no new exposure. */
  readonly outboxMax: number;
  /** So many events of one purse are on the way at once. */
  readonly sendWindow: number;
}

export const DEFAULT_ESCROW_POLICY: EscrowPolicy = {
  exactBelowNeeds: 100,
  recallWaitMs: 1_000,
  resendMs: 200,
  idleMs: 60_000,
  overhangRetryMs: 5_000,
  outboxMax: 10_000,
  sendWindow: 256,
};

/**
 * Whether `afterMs` have passed since then; null: it has never been. The machine's clock may be set
 * back: what then lies ahead is as good as over, or it would stand still until the clock is there.
 */
export const isOver = (since: number | null, afterMs: number, now: number): boolean =>
  since === null || now < since || now - since >= afterMs;

export interface GrantTerms {
  readonly equityMinor: bigint;
  /** Before the grant; at least `needMinor`. */
  readonly freeMinor: bigint;
  readonly needMinor: bigint;
  readonly shardCount: number;
}

/** What one shard should hold unused: half of the equity, spread evenly over all shards. */
export const targetOf = (equityMinor: bigint, shardCount: number): bigint =>
  equityMinor > 0n ? equityMinor / BigInt(2 * shardCount) : 0n;

/**
 * What to grant beyond the need, ≥ 0. The shard that asks has offered all that it did not use, so
 * the headroom is what it will hold unused. Half of what is free stays free for the others.
 */
export const headroomOf = (policy: EscrowPolicy, terms: GrantTerms): bigint => {
  const { equityMinor, freeMinor, needMinor, shardCount } = terms;
  if (equityMinor < needMinor * BigInt(policy.exactBelowNeeds)) {
    return 0n;
  }
  const half = (freeMinor - needMinor) / 2n;
  const target = targetOf(equityMinor, shardCount);
  return half < target ? half : target;
};
