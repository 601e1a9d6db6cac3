import { afterAll, beforeAll } from "bun:test";
import { Client } from "./contract-client.ts";
import { System } from "./contract-system.ts";
import { endAll } from "./processes.ts";

export interface Fixture {
  readonly system: System;
  readonly client: Client;
}

/** One system for all tests of a file; ended after them, or with them when they fail. */
export const startedOnce = (
  settings: Readonly<Record<string, string>> | (() => Promise<Record<string, string>>) = {},
): Fixture => {
  let system: System | undefined;
  let client: Client | undefined;
  beforeAll(async () => {
    system = await System.start(typeof settings === "function" ? await settings() : settings);
    client = await Client.of(system);
  });
  afterAll(async () => {
    try {
      await system?.stop();
    } finally {
      await endAll();
    }
  });
  const present = <T>(value: T | undefined): T => {
    if (value === undefined) throw new Error("the system has not started");
    return value;
  };
  return {
    get system() {
      return present(system);
    },
    get client() {
      return present(client);
    },
  };
};
