/** Which shard keeps an account's bank. */
import type { AccountId } from "../domain/brands.ts";
import type { ShardOfMap } from "../domain/symbol-map.ts";
import { murmur2 } from "./partition.ts";

/** Kafka's hash of the account id over the shards of the map in the order of their index. */
export const homeShardOf = <S extends Pick<ShardOfMap, "index">>(
  accountId: AccountId,
  shards: readonly S[],
): S => {
  const inOrder = shards.toSorted((a, b) => a.index - b.index);
  return inOrder[murmur2(String(accountId)) % inOrder.length] as S;
};
