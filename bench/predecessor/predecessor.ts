/**
 * The rebuilt predecessor as processes: one api, and its consumers in one more. The predecessor had
 * pods of an api and three consumers each; one api process does not fill a core here.
 */
import { join } from "node:path";
import { Kafka, logLevel } from "kafkajs";
import { ROOT } from "../support/machine.ts";
import { type Child, cleanEnvironment, startChild } from "../system/child.ts";
import { type Seed, seedDatabase } from "./seed.ts";
import {
  type ApiProfile,
  type ConsumerProfile,
  type Lookups,
  type PredecessorSettings,
  SETTINGS_VARIABLE,
  TOPIC,
} from "./settings.ts";

/** One state of the predecessor's life. */
export interface Variant {
  readonly name: string;
  readonly lookups: Lookups;
  readonly partitions: number;
  readonly consumers: number;
}

/** As it began, with its questions asked at once, and with its topic spread over more consumers. */
export const VARIANTS: readonly Variant[] = [
  { name: "sequential, 1 partition", lookups: "sequential", partitions: 1, consumers: 3 },
  { name: "Promise.all, 1 partition", lookups: "parallel", partitions: 1, consumers: 3 },
  { name: "Promise.all, 10 partitions", lookups: "parallel", partitions: 10, consumers: 15 },
];

export interface PredecessorOptions {
  readonly variant: Variant;
  /** Not on the server yet. */
  readonly mysqlUrl: string;
  readonly redisUrl: string;
  readonly kafkaBrokers: readonly string[];
  /** One that no other installation has: of the topic's name and of keys in Redis. */
  readonly name: string;
  readonly jwtSecret: string;
  readonly seed: Seed;
  /** For what its processes say. */
  readonly folder: string;
}

export interface Predecessor {
  readonly port: number;
  readonly processes: readonly Child[];
  apiProfile(): Promise<ApiProfile>;
  /** The same, and its stages begin anew. */
  takeProfile(): Promise<ApiProfile>;
  consumerProfile(): Promise<ConsumerProfile>;
  /** Redis has every account and instrument, as after some time of trading. */
  fillCaches(): Promise<void>;
  stop(): Promise<void>;
}

export const startPredecessor = async (options: PredecessorOptions): Promise<Predecessor> => {
  const { variant, folder, name, mysqlUrl } = options;
  const topic = `${name}.${TOPIC}`;
  await seedDatabase(mysqlUrl, options.seed);
  await createTopic(options.kafkaBrokers, topic, variant.partitions);
  const settings: PredecessorSettings = {
    mysqlUrl,
    redisUrl: options.redisUrl,
    kafkaBrokers: options.kafkaBrokers,
    topic,
    jwtSecret: options.jwtSecret,
    redisPrefix: `${name}:`,
    lookups: variant.lookups,
    consumers: variant.consumers,
  };
  const start = (part: "api" | "consumer"): Promise<Child> =>
    startChild({
      name: part,
      command: [process.execPath, join(ROOT, `bench/predecessor/${part}-main.ts`)],
      environment: { ...cleanEnvironment(), [SETTINGS_VARIABLE]: JSON.stringify(settings) },
      folder,
    });
  const consumers = await start("consumer");
  try {
    return asPredecessor(await start("api"), consumers);
  } catch (error) {
    await consumers.kill();
    throw error;
  }
};

const asPredecessor = (api: Child, consumers: Child): Predecessor => ({
  port: api.port,
  processes: [api, consumers],
  apiProfile: async () => (await profileOf(api, "")) as ApiProfile,
  takeProfile: async () => (await profileOf(api, "?reset")) as ApiProfile,
  consumerProfile: async () => (await profileOf(consumers, "")) as ConsumerProfile,
  fillCaches: async () => {
    await ask(api, "/fill-caches", "POST");
  },
  stop: async () => {
    await Promise.all([api.kill(), consumers.kill()]);
  },
});

const profileOf = async (child: Child, query: string): Promise<unknown> =>
  (await ask(child, `/profile${query}`, "GET")).json();

const ask = async (child: Child, path: string, method: "GET" | "POST"): Promise<Response> => {
  const answer = await fetch(`http://127.0.0.1:${child.port}${path}`, { method });
  if (!answer.ok) throw new Error(`${child.name} answers ${answer.status} to ${method} ${path}`);
  return answer;
};

const createTopic = async (
  brokers: readonly string[],
  topic: string,
  numPartitions: number,
): Promise<void> => {
  const admin = new Kafka({ brokers: [...brokers], logLevel: logLevel.ERROR }).admin();
  await admin.connect();
  try {
    await admin.createTopics({ topics: [{ topic, numPartitions }], waitForLeaders: true });
  } finally {
    await admin.disconnect();
  }
};
