import type { AccountId, ShardName } from "../domain/brands.ts";
import type { BankMessage } from "../domain/escrow/messages.ts";
import type { Logger } from "../process/logger.ts";
import { encodeBankMessage } from "../protocol/bank.ts";
import { PeerConnection } from "./peer-connection.ts";

export interface PeersOptions {
  readonly shard: ShardName;
  readonly clusterSecret: string;
  /** The other shards of the map, each with `ws://host:port`. */
  readonly others: readonly { readonly shardIndex: number; readonly url: string }[];
  /** The index of the shard that has the account's bank. */
  readonly homeOf: (accountId: AccountId) => number;
  readonly logger: Logger;
  /** The shard with this index can be spoken to, for the first time or again. */
  readonly onServing: (shardIndex: number) => void;
}

/** Where a message goes: what a bank says to the shard it is about, the rest to the bank. */
export const receiverOf = (
  message: BankMessage,
  homeOf: (accountId: AccountId) => number,
): number => ("term" in message ? message.shardIndex : homeOf(message.accountId));

/** The other shards of the cluster, as this one speaks to them. */
export class Peers {
  readonly #options: PeersOptions;
  readonly #connections: ReadonlyMap<number, PeerConnection>;

  constructor(options: PeersOptions) {
    this.#options = options;
    const { shard, clusterSecret, others, logger } = options;
    const hello = { role: "shard", name: shard, secret: clusterSecret } as const;
    this.#connections = new Map(
      others.map(({ shardIndex, url }) => {
        const onServing = (): void => options.onServing(shardIndex);
        return [shardIndex, new PeerConnection({ shardIndex, url, hello, logger, onServing })];
      }),
    );
    for (const connection of this.#connections.values()) connection.start();
  }

  /** One frame for each receiver, messages in their order. What cannot be sent now is dropped. */
  send(messages: readonly BankMessage[]): void {
    const frames = new Map<number, string[]>();
    for (const message of messages) {
      const receiver = receiverOf(message, this.#options.homeOf);
      const entries = frames.get(receiver);
      if (entries === undefined) frames.set(receiver, [encodeBankMessage(message)]);
      else entries.push(encodeBankMessage(message));
    }
    for (const [receiver, entries] of frames) this.#connections.get(receiver)?.send(entries);
  }

  /** How many of the other shards can be spoken to. */
  get serving(): number {
    return [...this.#connections.values()].filter(({ isServing }) => isServing).length;
  }

  stop(): void {
    for (const connection of this.#connections.values()) connection.stop();
  }
}
