/** The system on real services: committed orders reach MySQL through the broker. */
import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { mysqlContents } from "./central-contents.ts";
import { type Client, centralHasAll, centralHasThis, clientOf } from "./client.ts";
import { expectInContents, expectOneAnswerEach } from "./ledger.ts";
import type { Load, SentOrder } from "./load.ts";
import { makeFolder, runProcess, SLUICE, type Started, startProcess } from "./processes.ts";
import { type FreshDatabase, freshDatabase, freshTopic, type Services } from "./services.ts";
import {
  type Dev,
  environmentOf,
  type Part,
  type Settings,
  START_MS_MAX,
  startDev,
} from "./sluice.ts";
import { until } from "./until.ts";

/** On a busy machine, with a broker that has just come back and a group that forms again. */
export const SETTLED_MS_MAX = 90_000;
const COMMAND_MS_MAX = 60_000;
/** Whoever asks for the shards; no load has this account. */
const OPERATOR = 900;

/** A machine that is busy with the tests may let orders wait longer than a client likes. */
const TEST_SETTINGS: Settings = { SHARD_INTAKE_WAIT_MAX: "4s" };

export interface ReplicatedOptions {
  /** Whose broker, MySQL and, when started, Redis. Topic, group and database are new. */
  readonly services: Services;
  readonly settings?: Settings;
  /** Of `dev`. */
  readonly flags?: readonly string[];
  /** Appliers in all; one is `dev`'s own. */
  readonly appliers?: number;
}

/** An applier beside `dev`'s own. */
export interface ExtraApplier {
  readonly process: Started;
  readonly port: number;
}

/** What a load, or a test by hand, has sent. */
export type Sent = Pick<Load, "orders" | "faults">;

export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class Replicated {
  readonly dataDir: string;
  readonly topic: string;
  readonly database: FreshDatabase;
  /** Of every process of the system. */
  readonly settings: Settings;
  readonly stores: Settings;
  /** Of `dev`'s own applier and further ones, those that were started last. */
  readonly appliers: ExtraApplier[] = [];
  #dev: Dev;
  #operator: Client;
  #applierPort: number | undefined;

  private constructor(
    parts: Pick<Replicated, "dataDir" | "topic" | "database" | "settings" | "stores">,
    dev: Dev,
    operator: Client,
  ) {
    this.dataDir = parts.dataDir;
    this.topic = parts.topic;
    this.database = parts.database;
    this.settings = parts.settings;
    this.stores = parts.stores;
    this.#dev = dev;
    this.#operator = operator;
  }

  static async start(options: ReplicatedOptions): Promise<Replicated> {
    const { services, settings = {}, flags = [], appliers = 1 } = options;
    const database = await freshDatabase(services.mysqlUrl);
    const topic = freshTopic();
    const parts = {
      dataDir: makeFolder(),
      topic,
      database,
      settings: {
        ...TEST_SETTINGS,
        KAFKA_TOPIC: topic,
        KAFKA_GROUP_ID: `group-${topic}`,
        ...settings,
      },
      stores: {
        KAFKA_BROKERS: services.kafkaBrokers.join(","),
        MYSQL_URL: database.url,
        ...(services.redisUrl === "" ? {} : { REDIS_URL: services.redisUrl }),
      },
    };
    const dev = await startDev({ ...parts, flags });
    const system = new Replicated(parts, dev, await clientOf(dev.url, OPERATOR));
    for (let i = 1; i < appliers; i++) await system.addApplier();
    return system;
  }

  get dev(): Dev {
    return this.#dev;
  }

  get url(): string {
    return this.#dev.url;
  }

  get mysqlUrl(): string {
    return this.database.url;
  }

  /** A client with every scope, of an account that no load has. */
  get operator(): Client {
    return this.#operator;
  }

  /** Kills a part with -9; `recovered` waits until a new one serves. */
  kill(part: Part): { recovered(): Promise<void> } {
    const { recovered } = this.#dev.kill(part);
    if (part !== "applier") return { recovered };
    return { recovered: () => recovered().then(() => this.#applierServes()) };
  }

  async #applierServes(): Promise<void> {
    const health = `http://127.0.0.1:${this.applierPort}/healthz`;
    await until("the applier serves", START_MS_MAX, () =>
      fetch(health).then(
        ({ ok }) => ok,
        () => false,
      ),
    );
  }

  /** `sluice applier` beside `dev`'s own; it serves its door when this resolves. */
  async addApplier(listenPort = 0): Promise<ExtraApplier> {
    const process = startProcess([...SLUICE, "applier"], {
      environment: this.environment({ APPLIER_LISTEN: `127.0.0.1:${listenPort}` }),
    });
    const [, port] = await process.says(/serves on \S*?:(\d+)/, START_MS_MAX);
    const one = { process, port: Number(port) };
    this.appliers.push(one);
    return one;
  }

  /** Ends an extra applier: in order, or with -9. */
  async endApplier(one: ExtraApplier, signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    one.process.kill(signal);
    await one.process.ended();
    this.appliers.splice(this.appliers.indexOf(one), 1);
  }

  /** As every process of this system has it, with settings on top. */
  environment(settings: Settings = {}): Record<string, string> {
    return environmentOf({ ...this.settings, DATA_DIR: this.dataDir, ...settings }, this.stores);
  }

  /** Runs a command of `sluice` to its end. */
  run(...command: readonly string[]): Promise<CommandResult> {
    return runProcess([...SLUICE, ...command], { environment: this.environment() }, COMMAND_MS_MAX);
  }

  /** Where `dev`'s own applier has `/metrics`; it keeps the port over restarts. */
  get applierPort(): number {
    this.#applierPort ??= applierPortOf(this.#dev);
    return this.#applierPort;
  }

  /** A metric of all live appliers, added up over appliers and labels; since their last start. */
  async applierMetric(name: string): Promise<number> {
    const ports = [this.applierPort, ...this.appliers.map(({ port }) => port)];
    const texts = await Promise.all(
      ports.map(async (port) => (await fetch(`http://127.0.0.1:${port}/metrics`)).text()),
    );
    return texts
      .flatMap((text) => text.split("\n"))
      .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
  }

  /** Central has what is committed by now; under load, where it never has everything. */
  caughtUp(): Promise<void> {
    return centralHasThis(this.#operator, SETTLED_MS_MAX);
  }

  /** Every shard answers, and central has everything that they have committed. */
  settled(msMax = SETTLED_MS_MAX): Promise<void> {
    return centralHasAll(this.#operator, msMax);
  }

  /**
   * Waits until MySQL has everything and compares it with what clients were told: each order that
   * was accepted is there once with its exact bytes and its present state, each stored refusal too,
   * nothing else is, and `sluice verify` finds no difference either.
   */
  async expectExact(loads: Sent | readonly Sent[]): Promise<void> {
    const all = "orders" in loads ? [loads] : loads;
    const orders: readonly SentOrder[] = all.flatMap((load) => load.orders);
    expect(all.flatMap(({ faults }) => faults)).toEqual([]);
    expect(orders.length).toBeGreaterThan(0);
    await this.settled();
    expectOneAnswerEach(orders);
    expectInContents(await mysqlContents(this.mysqlUrl), orders);
    await this.expectVerified();
  }

  async expectVerified(): Promise<void> {
    const { exitCode, stdout, stderr } = await this.run("verify", "--json");
    expect({ exitCode, stdout, stderr }).toMatchObject({ exitCode: 0 });
  }

  /** Ends every process in order; the files and the database stay. */
  async down(): Promise<void> {
    for (const one of [...this.appliers]) await this.endApplier(one);
    expect(await this.#dev.stop()).toBe(0);
  }

  /** Starts `dev` again on the same files, topic and database. */
  async up(flags: readonly string[] = []): Promise<void> {
    const { dataDir, settings, stores } = this;
    this.#applierPort = undefined;
    this.#dev = await startDev({ dataDir, settings, stores, flags });
    this.#operator = await clientOf(this.#dev.url, OPERATOR);
  }
}

const applierPortOf = (dev: Dev): number => {
  const pid = dev.pidOf("applier");
  if (pid === undefined) throw new Error("the applier does not run");
  const environment = readFileSync(`/proc/${pid}/environ`, "utf8");
  return Number(/SLUICE_APPLIER_LISTEN=[^\0]*:(\d+)/.exec(environment)?.[1]);
};

export const startReplicated = (options: ReplicatedOptions): Promise<Replicated> =>
  Replicated.start(options);
