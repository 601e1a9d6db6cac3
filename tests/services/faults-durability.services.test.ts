/** `?ack=`: the level that is told is the level that is reached, whoever is away. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { HandOrders } from "../support/hand-orders.ts";
import { endAll } from "../support/processes.ts";
import { type Replicated, startReplicated } from "../support/replicated.ts";
import {
  OwnServices,
  START_SERVICES_MS_MAX,
  servicesFromEnvironment,
} from "../support/services.ts";

const TEST_MS_MAX = 180_000;

let own: OwnServices;
let system: Replicated;
let orders: HandOrders;

beforeAll(async () => {
  const { kafkaBrokers } = servicesFromEnvironment();
  own = await OwnServices.start({ mysql: true });
  system = await startReplicated({
    services: { kafkaBrokers, mysqlUrl: own.mysqlUrl, redisUrl: "" },
  });
  orders = new HandOrders(system.url);
  // The appliers' group has formed: central is in time from here on.
  await system.settled();
}, START_SERVICES_MS_MAX);

afterAll(async () => {
  await endAll();
  await own?.stop();
}, START_SERVICES_MS_MAX);

test(
  "with MySQL away the broker's acknowledgement is told, and central's when it is back",
  async () => {
    expect(await orders.place("before", "central")).toMatchObject({
      status: 201,
      durability: "central",
    });
    await own.pause("mysql");
    expect(await orders.place("paused-replicated", "replicated")).toMatchObject({
      status: 201,
      durability: "replicated",
    });
    expect(await orders.place("paused-central", "central")).toMatchObject({
      status: 202,
      durability: "replicated",
    });
    await own.kill("mysql");
    expect(await orders.place("dead-replicated", "replicated")).toMatchObject({
      status: 201,
      durability: "replicated",
    });
    await own.up("mysql");
    await system.settled();
    expect(await orders.place("after", "central")).toMatchObject({
      status: 201,
      durability: "central",
    });
    await system.expectExact(orders);
  },
  TEST_MS_MAX,
);
