/**
 * The stores of the systems that a test starts. In a plain run they are the embedded ones. The run
 * on services gives some of the same files `SLUICE_TEST_ON=services`: then each data folder has a
 * database, a topic with its consumer group and a Redis database of its own, for as long as the
 * folder is there.
 */
import { Redis } from "ioredis";
import { type Admin, Kafka, logLevel } from "kafkajs";
import { type CentralContents, embeddedContents, mysqlContents } from "./central-contents.ts";
import { onFolderRemoved } from "./processes.ts";
import { freshDatabase, freshTopic, type Services, servicesFromEnvironment } from "./services.ts";

/** Whether committed orders go through a broker to MySQL. */
export const ON_SERVICES = process.env.SLUICE_TEST_ON === "services";

/** What a system's environment has of its stores; empty for the embedded ones. */
export type Stores = Readonly<Record<string, string>>;

/** As many as Redis has without configuration; 0 is left to whoever names none. */
const REDIS_DATABASES = 16;

/** The next system's; a run beside this one on the same Redis begins elsewhere, most likely. */
let redisDatabase = Math.floor(Math.random() * REDIS_DATABASES);

const storesOfFolder = new Map<string, Promise<Stores>>();

/** The stores of the system with this data folder, the same ones at each of its starts. */
export const storesOf = (dataDir: string): Promise<Stores> => {
  if (!ON_SERVICES) return Promise.resolve({});
  const stores = storesOfFolder.get(dataDir) ?? makeStores(dataDir, servicesFromEnvironment());
  storesOfFolder.set(dataDir, stores);
  return stores;
};

/** What the central store of the system with this data folder holds. */
export const contentsOf = async (dataDir: string): Promise<CentralContents> => {
  const { MYSQL_URL: mysqlUrl } = await storesOf(dataDir);
  return mysqlUrl === undefined ? embeddedContents(dataDir) : mysqlContents(mysqlUrl);
};

/** Shards may number as many partitions as their topic has; the embedded store has no topic. */
export const raiseTopic = async (dataDir: string, partitions: number): Promise<void> => {
  const { KAFKA_BROKERS: brokers = "", SLUICE_KAFKA_TOPIC: topic } = await storesOf(dataDir);
  if (topic === undefined) return;
  await withAdmin(brokers.split(","), (admin) =>
    admin.createPartitions({ topicPartitions: [{ topic, count: partitions }] }),
  );
};

const makeStores = async (dataDir: string, services: Services): Promise<Stores> => {
  const database = await freshDatabase(services.mysqlUrl);
  const topic = freshTopic();
  redisDatabase = (redisDatabase % (REDIS_DATABASES - 1)) + 1;
  const redisUrl = new URL(services.redisUrl);
  redisUrl.pathname = `/${redisDatabase}`;
  onFolderRemoved(dataDir, async () => {
    storesOfFolder.delete(dataDir);
    await database.drop();
    await dropTopic(services.kafkaBrokers, topic);
    await emptyRedis(redisUrl.href);
  });
  return {
    KAFKA_BROKERS: services.kafkaBrokers.join(","),
    MYSQL_URL: database.url,
    REDIS_URL: redisUrl.href,
    SLUICE_KAFKA_TOPIC: topic,
    SLUICE_KAFKA_GROUP_ID: `group-${topic}`,
  };
};

const withAdmin = async (
  brokers: readonly string[],
  work: (admin: Admin) => Promise<unknown>,
): Promise<void> => {
  const admin = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING }).admin();
  try {
    await admin.connect();
    await work(admin);
  } finally {
    await admin.disconnect();
  }
};

/** A system that refused to start has made none. */
const dropTopic = (brokers: readonly string[], topic: string): Promise<void> =>
  withAdmin(brokers, async (admin) => {
    if ((await admin.listTopics()).includes(topic)) await admin.deleteTopics({ topics: [topic] });
  });

const emptyRedis = async (url: string): Promise<void> => {
  const redis = new Redis(url, { lazyConnect: true });
  try {
    await redis.connect();
    await redis.flushdb();
  } finally {
    redis.disconnect();
  }
};
