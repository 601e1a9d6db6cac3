/** One broker fails under load: it is killed, hangs, is away while writers and relays are killed. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { HandOrders } from "../support/hand-orders.ts";
import { Load } from "../support/load.ts";
import { endAll } from "../support/processes.ts";
import { printedSeed } from "../support/random.ts";
import { type Replicated, type Sent, startReplicated } from "../support/replicated.ts";
import {
  OwnServices,
  START_SERVICES_MS_MAX,
  servicesFromEnvironment,
} from "../support/services.ts";
import { SHARDS } from "../support/sluice.ts";

const LONG = process.env.SLUICE_TEST_LONG === "1";
const TEST_MS_MAX = LONG ? 20 * 60_000 : 240_000;
const CONNECTIONS = 24;
/** Together a few hundred requests a second: the broker starts beside them on the same machine. */
const PAUSE_OF_CLIENT_MS = 60;
const BROKER_KILLS = LONG ? 5 : 1;
const PAUSE_MS = LONG ? 30_000 : 8000;
/** Orders before a fault, while it lasts, and after it. */
const SOME = 300;

let own: OwnServices;
let system: Replicated;
const sent: Sent[] = [];

beforeAll(async () => {
  const { mysqlUrl } = servicesFromEnvironment();
  own = await OwnServices.start({ kafka: 1 });
  const { kafkaBrokers } = own;
  system = await startReplicated({ services: { kafkaBrokers, mysqlUrl, redisUrl: "" } });
}, START_SERVICES_MS_MAX);

afterAll(async () => {
  await endAll();
  await system?.database.drop();
  await own?.stop();
}, START_SERVICES_MS_MAX);

const startLoad = async (seed: number): Promise<Load> => {
  const load = await Load.start({
    url: system.url,
    seed,
    connections: CONNECTIONS,
    pauseMs: PAUSE_OF_CLIENT_MS,
  });
  sent.push(load);
  await load.moreAcked(SOME);
  return load;
};

const endLoad = async (load: Load): Promise<void> => {
  await load.moreAcked(SOME);
  await load.stop();
  await system.expectExact(sent);
};

/** Committed records that the broker has not acknowledged. */
const backlog = async (): Promise<number> => {
  const shards = await system.operator.shards();
  return shards.reduce((sum, { relay }) => sum + (relay?.backlogRecords ?? 0), 0);
};

test(
  "killed and started again: nobody is refused for it, everything arrives once",
  async () => {
    const load = await startLoad(printedSeed("broker killed"));
    for (let kill = 1; kill <= BROKER_KILLS; kill++) {
      await own.kill("kafka");
      await load.moreAcked(SOME);
      expect(await backlog()).toBeGreaterThan(0);
      await own.up("kafka");
      await load.moreAcked(SOME);
    }
    await endLoad(load);
    expect(load.interruptions).toEqual([]);
  },
  TEST_MS_MAX,
);

test(
  "paused: nobody is refused for it, and a level that is not reached is not claimed",
  async () => {
    const load = await startLoad(printedSeed("broker paused"));
    await own.pause("kafka");
    const byHand = new HandOrders(system.url);
    sent.push(byHand);
    const placed = byHand.place("while-paused", "replicated");
    await Bun.sleep(PAUSE_MS);
    expect(await placed).toMatchObject({ status: 202, durability: "local" });
    expect(await backlog()).toBeGreaterThan(0);
    await own.resume("kafka");
    await endLoad(load);
    expect(load.interruptions).toEqual([]);
  },
  TEST_MS_MAX,
);

test(
  "writers killed with a full outbox while the broker is dead: they serve, and the outbox drains",
  async () => {
    const load = await startLoad(printedSeed("full outbox"));
    await own.kill("kafka");
    await load.moreAcked(3 * SOME);
    expect(await backlog()).toBeGreaterThan(SOME);
    const killed = SHARDS.map((shard) => system.kill(shard));
    for (const one of killed) await one.recovered();
    expect(load.interruptions.length).toBeGreaterThan(0);
    expect(await backlog()).toBeGreaterThan(SOME);
    await load.moreAcked(SOME);
    await own.up("kafka");
    await endLoad(load);
  },
  TEST_MS_MAX,
);
