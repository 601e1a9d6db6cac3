/**
 * `sluice partitions raise`: first the topic's, then each shard's, one after the other. Intake goes
 * on. Whatever was done stays, so that repeating the command finishes it.
 */
import { EXIT, UsageError } from "../../shards/process/failure.ts";
import { createLogger } from "../../shards/process/logger.ts";
import { raiseTopicPartitions } from "../central/topic/topic-admin.ts";
import type { Config } from "../config.ts";
import { type AdminApi, type AdminFlags, adminApi, detailOf } from "./admin-api.ts";
import { kafkaSettings } from "./stores.ts";

const PARTITIONS_MAX = 1000;

/** Gives the exit code: 1 when a shard is left to be done, 2 when there are more already. */
export const runPartitionsRaise = (
  config: Config,
  count: string,
  flags: AdminFlags,
): Promise<number> => {
  const kafka = kafkaSettings(config, "partitions");
  const logger = createLogger("partitions", "silent");
  return raisePartitions(parseCount(count), {
    api: adminApi(config, flags),
    raiseTopic:
      kafka === undefined
        ? null
        : async (partitions) => ({
            topic: kafka.topic,
            before: await raiseTopicPartitions(kafka, partitions, logger),
          }),
    print: console.log,
  });
};

const parseCount = (text: string): number => {
  const count = Number(text);
  if (/^[1-9]\d*$/.test(text) && count <= PARTITIONS_MAX) return count;
  throw new UsageError(
    `partitions raise ${text}: expected a whole number, 1 to ${PARTITIONS_MAX}.`,
  );
};

export interface RaiseParts {
  readonly api: AdminApi;
  /** Gives the topic's name and how many it had; null without a broker. Never lowers. */
  readonly raiseTopic:
    | ((count: number) => Promise<{ readonly topic: string; readonly before: number }>)
    | null;
  readonly print: (line: string) => void;
}

export const raisePartitions = async (count: number, parts: RaiseParts): Promise<number> => {
  const { api, raiseTopic, print } = parts;
  const shards = await shardsOf(api);
  refuseFewer(count, shards);
  if (raiseTopic !== null) {
    const { topic, before } = await raiseTopic(count);
    print(`${topic}: ${described(before, count)}`);
  }
  let left = 0;
  for (const { shard, partitionCount } of shards) {
    const path = `/admin/v1/shards/${shard}/partitions`;
    const answer = await api.ask("POST", path, { partitionCount: count });
    if (answer.status === 200) {
      print(`${shard}: ${described(partitionCount ?? 0, Number(answer.body.partitionCount))}`);
    } else {
      left++;
      print(`${shard}: not raised: ${detailOf(answer)}`);
    }
  }
  if (left > 0) {
    print(`${left} of ${shards.length} shards are left: repeat the command.`);
    return EXIT.problemFound;
  }
  print(`Now set SLUICE_PARTITION_COUNT=${count}: new shard files begin with it.`);
  return EXIT.well;
};

const described = (before: number, after: number): string =>
  before === after ? `has ${after} partitions already` : `raised from ${before} to ${after}`;

interface ShardCount {
  readonly shard: string;
  /** undefined while it does not answer. */
  readonly partitionCount?: number;
}

const shardsOf = async (api: AdminApi): Promise<readonly ShardCount[]> => {
  const { body } = await api.ask("GET", "/admin/v1/shards");
  return body.items as readonly ShardCount[];
};

const refuseFewer = (count: number, shards: readonly ShardCount[]): void => {
  const more = shards.find(({ partitionCount = 0 }) => partitionCount > count);
  if (more === undefined) return;
  throw new UsageError(
    `partitions raise ${count}: ${more.shard} has ${more.partitionCount} partitions; ` +
      "they are raised only.",
  );
};
