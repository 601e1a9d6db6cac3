/** What waits for a broker that does not answer is bounded: new orders are refused, cancels are not. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { HandOrders } from "../support/hand-orders.ts";
import { endAll } from "../support/processes.ts";
import { startReplicated } from "../support/replicated.ts";
import {
  OwnServices,
  START_SERVICES_MS_MAX,
  servicesFromEnvironment,
} from "../support/services.ts";
import type { Settings } from "../support/sluice.ts";
import { until } from "../support/until.ts";

const TEST_MS_MAX = 240_000;
const ACCEPTED_AGAIN_MS_MAX = 90_000;
/** Orders that the broker has before it falls silent. */
const BEFORE = 20;
const RECORDS_MAX = 200;
const BYTES_MAX = 64 * 1024;
/** Of an order's value: more than 300 and less than 1000 bytes. */
const BYTES_EACH_MIN = 300;

interface Case {
  readonly name: string;
  readonly settings: Settings;
  /** Orders that fit, at most. */
  readonly fit: number;
}

const cases: readonly Case[] = [
  {
    name: "records",
    settings: {
      SHARD_BATCH_ORDERS_MAX: "50",
      SHARD_INTAKE_QUEUE_MAX: "100",
      SHARD_BACKLOG_RECORDS_MAX: `${RECORDS_MAX}`,
    },
    fit: RECORDS_MAX,
  },
  {
    name: "bytes",
    settings: { SHARD_BACKLOG_BYTES_MAX: "64KiB" },
    fit: BYTES_MAX / BYTES_EACH_MIN,
  },
];

let own: OwnServices;

beforeAll(async () => {
  own = await OwnServices.start({ kafka: 1 });
}, START_SERVICES_MS_MAX);

afterAll(async () => {
  await endAll();
  await own?.stop();
}, START_SERVICES_MS_MAX);

test.each([...cases])(
  "past so many $name new orders are refused, cancels pass, and after it all goes on",
  async ({ name, settings, fit }) => {
    const { kafkaBrokers } = own;
    const { mysqlUrl } = servicesFromEnvironment();
    const services = { kafkaBrokers, mysqlUrl, redisUrl: "" };
    const system = await startReplicated({ services, settings });
    const orders = new HandOrders(system.url);
    // The appliers' group has formed: central is in time from here on.
    await system.settled();
    for (let n = 0; n < BEFORE; n++) {
      expect(await orders.place(`before-${n}`, "central")).toMatchObject({ status: 201 });
    }
    await own.pause("kafka");
    let refusal = await orders.place("during-0");
    for (let n = 1; refusal.status === 201 && n <= 2 * fit; n++) {
      refusal = await orders.place(`during-${n}`);
    }
    expect(refusal).toMatchObject({ status: 503, code: "replication_backlog" });
    // The one that passes the limit was still decided before it.
    expect(orders.orders.length - BEFORE).toBeLessThanOrEqual(fit + 1);
    expect(orders.orders.length - BEFORE).toBeGreaterThan(fit / 4);
    for (const order of orders.orders.slice(0, BEFORE)) {
      expect(await orders.cancel(order)).toBe(200);
    }
    expect((await orders.place("still-refused")).code).toBe("replication_backlog");
    await own.resume("kafka");
    await until(`accepted again, with fewer ${name}`, ACCEPTED_AGAIN_MS_MAX, async () => {
      return (await orders.place("after", "local")).status === 201;
    });
    await system.settled();
    expect(await orders.place("last", "central")).toMatchObject({ status: 201 });
    await system.expectExact(orders);
    await system.down();
    await system.database.drop();
  },
  TEST_MS_MAX,
);
