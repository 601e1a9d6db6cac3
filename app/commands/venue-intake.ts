import { systemClock } from "../../shards/process/clock.ts";
import type { Logger } from "../../shards/process/logger.ts";
import type { Registry } from "../../shards/process/metrics.ts";
import type { Config } from "../config.ts";
import type { ShardRouter } from "../routing/router.ts";
import { TopicReader } from "../venue/topic-reader.ts";
import { venueTopics } from "../venue/venue-topics.ts";
import { kafkaSettings, topicShape } from "./stores.ts";

/** Reads what the exchange says in its topics; undefined without a broker or an engine behind it. */
export const startVenueIntake = (
  config: Config,
  parts: { readonly router: ShardRouter; readonly registry: Registry; readonly logger: Logger },
): { stop(): Promise<void> } | undefined => {
  const settings = kafkaSettings(config, "venue");
  if (settings === undefined || config.venue !== "external") return undefined;
  const { executionsTopic, markPricesTopic, venueGroupId } = config.kafka;
  const { logger } = parts;
  const deadlineAt = (): number => systemClock.now() + config.requestDeadline;
  const { executions, markPrices } = venueTopics({ ...parts, deadlineAt });
  const readers = [
    { topic: executionsTopic, take: executions },
    { topic: markPricesTopic, take: markPrices },
  ].map(
    ({ topic, take }) =>
      new TopicReader({
        settings: { ...settings, topic },
        shape: topicShape(config),
        groupId: `${venueGroupId}.${topic}`,
        take,
        logger,
      }),
  );
  for (const reader of readers) reader.start();
  return { stop: async () => void (await Promise.all(readers.map((reader) => reader.stop()))) };
};
