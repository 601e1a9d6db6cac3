/** The applier's door, as a restore uses it: which central it leads to, and the next epoch. */
import { OperatingError, UsageError } from "../../shards/process/failure.ts";
import { askStanding, claimEpoch } from "../../shards/relay/claim.ts";
import type { Granted } from "./restore-shard.ts";

export interface Door {
  /** `ws://HOST:PORT` of an applier. */
  readonly url: string;
  readonly shard: string;
  readonly shardIndex: number;
  /** Empty on loopback. */
  readonly clusterSecret: string;
}

const helloOf = ({ shard, clusterSecret }: Door) =>
  ({ role: "shard", name: shard, secret: clusterSecret }) as const;

/** Whether an applier of that central store answers there. */
export const leadsTo = async (door: Door, centralId: string): Promise<boolean> => {
  try {
    return (await askStanding(door.url, helloOf(door))).centralId === centralId;
  } catch (error) {
    if (error instanceof OperatingError && error.retryable) return false;
    throw error;
  }
};

/** The shard's next epoch: what the lost file alone held is lost. */
export const claimLost = async (door: Door, claimId: string): Promise<Granted> => {
  const { url, shard, shardIndex } = door;
  const claim = { shard, shardIndex, claimId, acceptLoss: true };
  const grant = await claimEpoch(url, helloOf(door), claim);
  if (grant.granted) return grant;
  throw new UsageError(`The applier at ${url} refuses ${shard} a new epoch after ${grant.epoch}.`);
};
