/** A broker and a MySQL of the benchmark's own, and the product on them. */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { OwnServices } from "../../tests/support/services.ts";
import type { Account } from "../load/orders.ts";
import { say } from "../support/options.ts";
import { type Child, cpuSecondsOf } from "../system/child.ts";
import { type RunningSystem, startSystem } from "../system/system.ts";
import type { ReplicationOptions } from "./options.ts";

export interface Stage {
  readonly options: ReplicationOptions;
  readonly services: OwnServices;
  readonly accounts: readonly Account[];
  readonly echo: Child;
  readonly folder: string;
}

/** Names that no run before has used. */
export interface Installation {
  readonly database: string;
  readonly settings: Readonly<Record<string, string>>;
}

let installations = 0;
/** An empty database and a topic that is not there yet. */
export const newInstallation = (stage: Stage): Installation => {
  installations++;
  const name = `bench_${process.pid}_${installations}`;
  const database = new URL(stage.services.mysqlUrl);
  database.pathname = `/${name}`;
  return {
    database: database.href,
    settings: {
      KAFKA_BROKERS: stage.services.kafkaBrokers.join(","),
      MYSQL_URL: database.href,
      SLUICE_KAFKA_TOPIC: name,
      SLUICE_KAFKA_GROUP_ID: name,
      SLUICE_SHARD_INTAKE_WAIT_MAX: "4s",
      ...stage.options.settings,
    },
  };
};

/** One shard, the api and an applier on an installation of their own. */
export const withReplicated = async <T>(
  stage: Stage,
  work: (system: RunningSystem, installation: Installation) => Promise<T>,
): Promise<T> => {
  const installation = newInstallation(stage);
  const folder = mkdtempSync(join(stage.folder, "system-"));
  const system = await startSystem({
    folder,
    replicated: true,
    binary: stage.options.binary,
    settings: installation.settings,
  });
  try {
    return await work(system, installation);
  } finally {
    await system.stop();
    rmSync(folder, { recursive: true, force: true });
  }
};

/** CPU seconds of everything that has a part in an order, by name. */
export const cpuOf = async (
  { services }: Stage,
  processes: readonly Child[],
): Promise<Readonly<Record<string, number>>> => {
  const lines = await services.status();
  const found = lines.flatMap((line) => {
    const [, name, pid] = /^([a-z]+)1? \w+ pid (\d+)/.exec(line) ?? [];
    return name === undefined ? [] : [[name, cpuSecondsOf(Number(pid))] as const];
  });
  return Object.fromEntries([
    ...processes.map((child) => [child.name, child.cpuSeconds()] as const),
    ...found,
  ]);
};

export const killBroker = async ({ services }: Stage): Promise<void> => {
  await services.kill("kafka");
};

export const startBroker = async ({ services }: Stage): Promise<void> => {
  const start = performance.now();
  await services.up("kafka");
  say(`the broker is back after ${Math.round(performance.now() - start)} ms of starting`);
};
