/** Redis is killed under load: it is a cache, so nothing is refused for it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { expectInCentral, expectKept } from "../support/ledger.ts";
import { Load } from "../support/load.ts";
import { endAll } from "../support/processes.ts";
import { printedSeed } from "../support/random.ts";
import { type Replicated, startReplicated } from "../support/replicated.ts";
import {
  OwnServices,
  START_SERVICES_MS_MAX,
  servicesFromEnvironment,
} from "../support/services.ts";
import { until } from "../support/until.ts";

const TEST_MS_MAX = 240_000;
const COUNTED_MS_MAX = 90_000;
const CONNECTIONS = 30;
/** A few hundred requests a second. */
const PAUSE_OF_CLIENT_MS = 50;
const BEFORE = 400;
/** Orders in a row that are looked at. */
const COUNTED = 100;
/** Far above what these connections can send. */
const ORDERS_PER_SECOND = "100000";

let own: OwnServices;
let system: Replicated;

beforeAll(async () => {
  const { kafkaBrokers, mysqlUrl } = servicesFromEnvironment();
  own = await OwnServices.start({ redis: true });
  system = await startReplicated({
    services: { kafkaBrokers, mysqlUrl, redisUrl: own.redisUrl },
    settings: { RATE_LIMIT_PER_SECOND: ORDERS_PER_SECOND },
  });
}, START_SERVICES_MS_MAX);

afterAll(async () => {
  await endAll();
  await system?.database.drop();
  await own?.stop();
}, START_SERVICES_MS_MAX);

/** Counts that the api made by itself, because Redis did not answer. */
const fallbacks = async (): Promise<number> => {
  const text = await (await fetch(`${system.url}/metrics`)).text();
  return Number(/^sluice_order_limit_fallbacks_total(?:\{.*\})? (\d+)$/m.exec(text)?.[1]);
};

/** Redis counts some orders, all of them: it is asked again where this machine stalled for 100 ms. */
const expectCounted = (load: Load): Promise<unknown> =>
  until("Redis counts", COUNTED_MS_MAX, async () => {
    const before = await fallbacks();
    await load.moreAcked(COUNTED);
    return (await fallbacks()) === before;
  });

test(
  "killed, paused and back: no order is refused, the limits are counted in the api meanwhile",
  async () => {
    const seed = printedSeed("Redis killed");
    const load = await Load.start({
      url: system.url,
      seed,
      connections: CONNECTIONS,
      pauseMs: PAUSE_OF_CLIENT_MS,
    });
    await load.moreAcked(BEFORE);
    await expectCounted(load);

    await own.kill("redis");
    await load.moreAcked(BEFORE);
    const whileDead = await fallbacks();
    expect(whileDead).toBeGreaterThan(0);
    await own.up("redis");
    await expectCounted(load);

    const beforePause = await fallbacks();
    await own.pause("redis");
    try {
      await load.moreAcked(BEFORE);
    } finally {
      await own.resume("redis");
    }
    expect(await fallbacks()).toBeGreaterThan(beforePause);
    await load.moreAcked(BEFORE);
    await load.stop();

    expect(load.interruptions).toEqual([]);
    await system.expectExact(load);
    await expectKept(system.url, load.orders);
    // By the cached reads too: none is from before an order's end.
    await expectInCentral(system.url, load.orders);
  },
  TEST_MS_MAX,
);
