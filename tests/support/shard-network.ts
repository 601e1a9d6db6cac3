/** For unit tests: shards in one process whose banks and purses talk over a network that obeys. */
import type { AccountId, CanonicalDecimal } from "../../shards/domain/brands.ts";
import type { Command } from "../../shards/domain/command.ts";
import type { BankMessage } from "../../shards/domain/escrow/messages.ts";
import { receiverOf } from "../../shards/peers/peers.ts";
import type { RiskTerms } from "../../shards/writer/risk/risk-state.ts";
import { ACCOUNT, riskTerms, StateBench } from "./shard-state.ts";

export const deposit = (
  amount: string,
  transferId = "t-1",
  accountId: AccountId = ACCOUNT,
): Command => ({
  kind: "transfer",
  accountId,
  asset: "USDT",
  transferId,
  amount: amount as CanonicalDecimal,
});

/** The first shard is everybody's home. */
export class ShardNetwork {
  readonly shards: readonly StateBench[];
  readonly #homeOf = (): number => 1;
  /** Messages on their way; delivered by {@link deliver} only. */
  readonly inFlight: BankMessage[] = [];
  /** What the network loses. */
  loses: (message: BankMessage) => boolean = () => false;
  readonly #taken: number[];

  constructor(count: number, changes: Partial<RiskTerms["escrow"]> = {}) {
    const shardIndexes = Array.from({ length: count }, (_, i) => i + 1);
    this.shards = shardIndexes.map(
      (shardIndex) =>
        new StateBench(riskTerms({ shardIndex, shardIndexes, homeOf: this.#homeOf, ...changes })),
    );
    this.#taken = shardIndexes.map(() => 0);
  }

  shard(index: number): StateBench {
    const shard = this.shards[index - 1];
    if (shard === undefined) throw new Error(`there is no shard ${index}`);
    return shard;
  }

  /** Takes what the shards have said since. */
  collect(): void {
    for (const [i, { sent }] of this.shards.entries()) {
      this.inFlight.push(...sent.slice(this.#taken[i]).filter((one) => !this.loses(one)));
      this.#taken[i] = sent.length;
    }
  }

  /** Delivers one message, the oldest unless another place is named; false when there is none. */
  deliver(place = 0): boolean {
    this.collect();
    const [message] = this.inFlight.splice(place, 1);
    if (message === undefined) return false;
    this.shard(receiverOf(message, this.#homeOf)).run([{ kind: "bank", message }]);
    return true;
  }

  settle(): void {
    while (this.deliver());
  }

  /** All purses' timers, later by `ms`. */
  tick(ms = 0): void {
    for (const shard of this.shards) {
      shard.now += ms;
      const due = [...shard.state.risk.ticking].map(({ key }) => key);
      shard.run(due.map((key): Command => ({ kind: "purse_tick", ...key })));
    }
  }
}
