import { afterAll, beforeAll } from "bun:test";
import { Client } from "./contract-client.ts";
import { System } from "./contract-system.ts";
import { endAll } from "./processes.ts";

export interface Fixture {
  readonly system: System;
  readonly client: Client;
}

type Settings = Readonly<Record<string, string>>;

/** An order may wait on a busy machine, which is no matter of the contract. */
const PATIENT: Settings = { SLUICE_SHARD_INTAKE_WAIT_MAX: "4s" };

const open = new Set<System>();

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
    fixture = { system, client: await Client.of(system) };
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
