/** Three brokers, of which one is lost under load: the one that leads most partitions. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { Kafka, logLevel } from "kafkajs";
import { HandOrders } from "../support/hand-orders.ts";
import { Load } from "../support/load.ts";
import { endAll } from "../support/processes.ts";
import { printedSeed } from "../support/random.ts";
import { type Replicated, startReplicated } from "../support/replicated.ts";
import {
  OwnServices,
  type ServiceName,
  START_SERVICES_MS_MAX,
  servicesFromEnvironment,
} from "../support/services.ts";
import { until } from "../support/until.ts";

const LONG = process.env.SLUICE_TEST_LONG === "1";
const TEST_MS_MAX = LONG ? 20 * 60_000 : 240_000;
/** The last one that is killed stays away. */
const KILLS = LONG ? 6 : 1;
const CONNECTIONS = 24;
/** Three brokers and the system share the machine. */
const PAUSE_OF_CLIENT_MS = 100;
const SOME = 300;
const REPLICATED_MS_MAX = 90_000;

let own: OwnServices;
let system: Replicated;

beforeAll(async () => {
  own = await OwnServices.start({ kafka: 3 });
  const { mysqlUrl } = servicesFromEnvironment();
  const { kafkaBrokers } = own;
  system = await startReplicated({ services: { kafkaBrokers, mysqlUrl, redisUrl: "" } });
}, 2 * START_SERVICES_MS_MAX);

afterAll(async () => {
  await endAll();
  await system?.database.drop();
  await own?.stop();
}, START_SERVICES_MS_MAX);

/** By partition, the brokers' numbers. */
const leaders = async (): Promise<readonly number[]> => {
  const brokers = [...own.kafkaBrokers];
  const admin = new Kafka({ brokers, logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: [system.topic] });
    const [topic] = topics;
    expect(topic?.partitions.map(({ replicas }) => replicas.length)).toEqual(
      new Array(topic?.partitions.length ?? 0).fill(3),
    );
    return topic?.partitions.map(({ leader }) => leader) ?? [];
  } finally {
    await admin.disconnect();
  }
};

const leaderOfMost = async (): Promise<number> => {
  const all = await leaders();
  const led = (broker: number) => all.filter((one) => one === broker).length;
  return [1, 2, 3].toSorted((a, b) => led(b) - led(a))[0] ?? 1;
};

test(
  "a leader killed: nobody is refused for it, everything arrives once",
  async () => {
    const seed = printedSeed("leader killed");
    const load = await Load.start({
      url: system.url,
      seed,
      connections: CONNECTIONS,
      pauseMs: PAUSE_OF_CLIENT_MS,
    });
    const byHand = new HandOrders(system.url);
    for (let kill = 1; kill <= KILLS; kill++) {
      await load.moreAcked(SOME);
      const broker = await leaderOfMost();
      const name = `kafka${broker}` as ServiceName;
      await own.kill(name);
      await load.moreAcked(SOME);
      await until("two of three are enough", REPLICATED_MS_MAX, async () => {
        const id = `without-${broker}-${byHand.orders.length}`;
        return (await byHand.place(id, "replicated")).status === 201;
      });
      await until("others lead all partitions", REPLICATED_MS_MAX, async () => {
        return !(await leaders()).includes(broker);
      });
      if (kill < KILLS) await own.up(name);
    }
    await load.moreAcked(SOME);
    await load.stop();
    await system.expectExact([load, byHand]);
    expect(load.interruptions).toEqual([]);
  },
  TEST_MS_MAX,
);
