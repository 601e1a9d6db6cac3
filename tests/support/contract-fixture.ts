import { afterAll, beforeAll } from "bun:test";
import type { ShardView } from "./client.ts";
import { Client } from "./contract-client.ts";
import { System } from "./contract-system.ts";
import { endAll } from "./processes.ts";
import { ON_SERVICES } from "./stores.ts";
import { until } from "./until.ts";

export interface Fixture {
  readonly system: System;
  readonly client: Client;
}

type Settings = Readonly<Record<string, string>>;

/** An order may wait on a busy machine, which is no matter of the contract. */
const PATIENT: Settings = { SLUICE_SHARD_INTAKE_WAIT_MAX: "4s" };

const GROUP_MS_MAX = 50_000;

const open = new Set<System>();

/** The appliers' group has formed: what waits for central is in time from here on. */
const centralAnswers = (client: Client): Promise<unknown> =>
  until("central has the shards' first records", GROUP_MS_MAX, async () => {
    const { items } = (await client.send("GET", "/admin/v1/shards")).json;
    return (items as readonly ShardView[]).every(({ central }) => central?.lagRecords === 0);
  });

/** One system for all tests of a file; all of a file's are ended after its tests. */
export const startedOnce = (
  settings: Settings | (() => Promise<Settings>) = PATIENT,
  command = "dev",
): Fixture => {
  let fixture: Fixture | undefined;
  beforeAll(async () => {
    const given = typeof settings === "function" ? await settings() : settings;
    const system = await System.start(given, command);
    open.add(system);
    const client = await Client.of(system);
    if (ON_SERVICES) await centralAnswers(client);
    fixture = { system, client };
  });
  afterAll(async () => {
    const systems = [...open];
    open.clear();
    try {
      await Promise.all(systems.map((system) => system.stop()));
    } finally {
      await endAll();
    }
  });
  const present = (): Fixture => {
    if (fixture === undefined) throw new Error("the system has not started");
    return fixture;
  };
  return {
    get system() {
      return present().system;
    },
    get client() {
      return present().client;
    },
  };
};
