/**
 * Raising the number of partitions, a transaction of its own between two batches: a symbol's records
 * before it are in the old partition, those after it in the new one. The first records of the new
 * way are the beginnings of the new streams, which the relay sends only when central has all before.
 */
import type { Problem } from "../domain/problem.ts";
import {
  type CommittedRecord,
  chainHash,
  type EpochStarted,
  ZERO_HASH,
} from "../protocol/record.ts";
import type { ShardState } from "./state.ts";
import type { BatchWrites, PartitionRaise } from "./store-port.ts";

/** Kafka would take more; nothing here gets faster by it. */
const PARTITIONS_MAX = 1000;

export type RaiseWrites = BatchWrites & { readonly raise: PartitionRaise };

/** Why the number can't be raised to this. */
export const raiseProblem = (state: ShardState, partitionCount: number): Problem | undefined => {
  const isCount = Number.isSafeInteger(partitionCount) && partitionCount <= PARTITIONS_MAX;
  if (isCount && partitionCount >= state.partitionCount) return undefined;
  return {
    code: "invalid_request",
    detail:
      `partitionCount ${partitionCount} is not from ${state.partitionCount}, which ${state.shard} ` +
      `has, to ${PARTITIONS_MAX}: partitions are raised only.`,
    context: { shard: state.shard, partitionCount: state.partitionCount },
  };
};

/** What the transaction writes; nothing changes before it has committed. */
export const raiseWrites = (
  state: ShardState,
  partitionCount: number,
  now: number,
): RaiseWrites => {
  const value = JSON.stringify(NOTHING_BEFORE);
  const hash = chainHash(ZERO_HASH, value);
  const records: CommittedRecord[] = [];
  for (let partition = state.partitionCount; partition < partitionCount; partition++) {
    records.push({
      type: "epoch_started",
      shard: state.shard,
      epoch: state.epoch,
      partition,
      seq: 1,
      commitSeq: state.commitSeq + records.length + 1,
      at: now,
      key: "",
      value,
      prevHash: ZERO_HASH,
      hash,
    });
  }
  return {
    at: now,
    raise: { generation: state.generation + 1, partitionCount },
    records,
    orders: [],
    risk: null,
    outcomeKeys: [],
    orderCounter: state.orderCounter,
    commitSeq: state.commitSeq + records.length,
  };
};

/** After COMMIT: the state is now what the file says. */
export const applyRaise = (state: ShardState, { raise, records, commitSeq }: RaiseWrites): void => {
  state.raise(raise);
  state.commitSeq = commitSeq;
  for (const { partition, seq, hash } of records) state.setStreamEnd(partition, { seq, hash });
};

const NOTHING_BEFORE: EpochStarted = {
  previousEpoch: 0,
  previousSeq: 0,
  previousHash: ZERO_HASH,
};
