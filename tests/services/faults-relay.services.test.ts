/** Relays killed under load: what the broker was given and the file does not know of comes again. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { Load } from "../support/load.ts";
import { endAll } from "../support/processes.ts";
import { printedSeed, randomOf, wholeOf } from "../support/random.ts";
import { type Replicated, startReplicated } from "../support/replicated.ts";
import { servicesFromEnvironment } from "../support/services.ts";
import { SHARDS } from "../support/sluice.ts";

const LONG = process.env.SLUICE_TEST_LONG === "1";
const TEST_MS_MAX = LONG ? 20 * 60_000 : 360_000;
const START_MS_MAX = 60_000;
const CONNECTIONS = 24;
const PAUSE_OF_CLIENT_MS = 60;
const KILLS = LONG ? 20 : 3;
/** More are made while none has fallen into the gap. */
const KILLS_MAX = 12 + KILLS;
const AFTER = 300;

let system: Replicated;

beforeAll(async () => {
  const { kafkaBrokers, mysqlUrl } = servicesFromEnvironment();
  system = await startReplicated({ services: { kafkaBrokers, mysqlUrl, redisUrl: "" } });
}, START_MS_MAX);

afterAll(async () => {
  await endAll();
  await system?.database.drop();
}, START_MS_MAX);

test(
  "killed between the broker's acknowledgement and the watermark: what comes twice is dropped",
  async () => {
    const seed = printedSeed("relays killed");
    const random = randomOf(seed);
    const load = await Load.start({
      url: system.url,
      seed,
      connections: CONNECTIONS,
      pauseMs: PAUSE_OF_CLIENT_MS,
    });
    const dropped = () => system.applierMetric("sluice_applier_records_duplicate_total");
    const before = await dropped();
    let kills = 0;
    while (kills < KILLS || ((await dropped()) === before && kills < KILLS_MAX)) {
      // Else central has, and tells, what the broker had been given by the time the relay asks.
      const applier = system.dev.pidOf("applier") ?? 0;
      process.kill(applier, "SIGSTOP");
      await load.moreAcked(wholeOf(random, 20, 200));
      const killed = SHARDS.map((shard) => system.kill(shard));
      for (const one of killed) await one.recovered();
      process.kill(applier, "SIGCONT");
      await system.caughtUp();
      kills += 1;
    }
    await load.moreAcked(AFTER);
    await load.stop();
    await system.expectExact(load);
    expect(await dropped()).toBeGreaterThan(before);
  },
  TEST_MS_MAX,
);
