import { readFileSync } from "node:fs";
import { reasonOf, UsageError } from "../../shards/process/failure.ts";
import type { KafkaSettings } from "../../shards/process/kafka.ts";
import type { TopicShape } from "../central/topic/topic-admin.ts";
import type { Config } from "../config.ts";

/** Where central is: a file in the data folder, or MySQL behind a broker. */
export type CentralPlace =
  | { readonly kind: "embedded" }
  | { readonly kind: "mysql"; readonly url: string; readonly kafka: KafkaSettings };

/** Throws {@link UsageError} when only one of the two is named. */
export const centralPlace = (config: Config, clientId: string): CentralPlace => {
  const kafka = kafkaSettings(config, clientId);
  if (kafka === undefined) return { kind: "embedded" };
  if (config.mysqlUrl !== undefined) return { kind: "mysql", url: config.mysqlUrl, kafka };
  throw new UsageError(
    "KAFKA_BROKERS needs MYSQL_URL: set both, or neither for the embedded store.",
  );
};

/** How `clientId` reaches the broker; undefined without KAFKA_BROKERS. */
export const kafkaSettings = (config: Config, clientId: string): KafkaSettings | undefined => {
  const { kafkaBrokers, kafka } = config;
  if (kafkaBrokers === undefined) return undefined;
  const { topic, ssl, sslCa, saslMechanism, saslUsername, saslPassword } = kafka;
  return {
    brokers: kafkaBrokers,
    topic,
    clientId: `sluice-${clientId}`,
    ...(ssl ? { ssl: sslCa === undefined ? {} : { ca: readAuthority(sslCa) } } : {}),
    ...(saslMechanism === undefined
      ? {}
      : {
          sasl: {
            mechanism: saslMechanism,
            username: saslUsername ?? "",
            password: saslPassword ?? "",
          },
        }),
  };
};

/** Of topics that are made. */
export const topicShape = ({ partitionCount, kafka }: Config): TopicShape => ({
  partitions: partitionCount,
  replicationFactor: kafka.replicationFactor === 0 ? null : kafka.replicationFactor,
  retentionMs: kafka.retention,
});

const readAuthority = (file: string): string => {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new UsageError(`kafka.sslCa = ${file} cannot be read: ${reasonOf(error)}.`);
  }
};
