/** One shard, one applier and an api, with a test between the shard's topic and the applier's. */
import { expect } from "bun:test";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createConnection } from "mysql2/promise";
import { pickPorts } from "../../app/supervisor/ports.ts";
import { mysqlContents } from "./central-contents.ts";
import { type Client, centralHasAll, clientOf, isReady } from "./client.ts";
import { expectInContents, expectOneAnswerEach } from "./ledger.ts";
import type { Load } from "./load.ts";
import { makeFolder, runProcess, SLUICE, type Started, startProcess } from "./processes.ts";
import { type FreshDatabase, freshDatabase, freshTopic, type Services } from "./services.ts";
import { environmentOf, ONE_SHARD, type Settings, START_MS_MAX } from "./sluice.ts";
import { TopicBridge } from "./topic-bridge.ts";
import { until } from "./until.ts";

export const PARTITIONS = 10;
const OPERATOR = 900;
const SETTLED_MS_MAX = 60_000;
const RESTORE_MS_MAX = 60_000;
const SHARD = ["shard", "--shard", "shard1"];

/** A stream that central has stopped, or a record that was put aside. */
export interface Finding {
  readonly epoch: number;
  readonly partition: number;
  readonly code: string;
}

export interface PutAside extends Finding {
  readonly seq: number;
  readonly value: string;
}

export class TamperedSystem {
  readonly bridge: TopicBridge;
  readonly #database: FreshDatabase;
  readonly #settings: Settings;
  readonly #stores: Settings;
  readonly #applierPort: number;
  readonly #shardPort: number;
  readonly #shardSettings: Settings;
  #shard: Started;
  #api: Started | null = null;
  #operator: Client | null = null;

  static async start(services: Services): Promise<TamperedSystem> {
    const brokers = services.kafkaBrokers;
    const topic = freshTopic();
    const to = `${topic}-read`;
    const database = await freshDatabase(services.mysqlUrl);
    const bridge = await TopicBridge.start({ brokers, from: topic, to, partitions: PARTITIONS });
    const stores = { KAFKA_BROKERS: brokers.join(","), MYSQL_URL: database.url };
    const settings = {
      DATA_DIR: makeFolder(),
      SHARDING: ONE_SHARD,
      PARTITION_COUNT: `${PARTITIONS}`,
      KAFKA_TOPIC: to,
      KAFKA_GROUP_ID: topic,
      SHARD_INTAKE_WAIT_MAX: "4s",
    };
    const applier = await serve(["applier"], stores, {
      ...settings,
      APPLIER_LISTEN: "127.0.0.1:0",
    });
    const [shardPort = 0] = pickPorts(1);
    const ports = { applier: applier.port, shard: shardPort };
    const settingsOfShard = {
      ...settings,
      KAFKA_TOPIC: topic,
      APPLIER_URL: `ws://127.0.0.1:${applier.port}`,
      SHARD_LISTEN: `127.0.0.1:${shardPort}`,
    };
    const shard = await serve(SHARD, stores, settingsOfShard);
    const of = { all: settings, shard: settingsOfShard };
    const system = new TamperedSystem(bridge, database, of, stores, ports, shard.process);
    await system.#startApi();
    return system;
  }

  private constructor(
    bridge: TopicBridge,
    database: FreshDatabase,
    settings: { readonly all: Settings; readonly shard: Settings },
    stores: Settings,
    ports: { readonly applier: number; readonly shard: number },
    shard: Started,
  ) {
    this.bridge = bridge;
    this.#database = database;
    this.#stores = stores;
    this.#settings = settings.all;
    this.#shardSettings = settings.shard;
    this.#applierPort = ports.applier;
    this.#shardPort = ports.shard;
    this.#shard = shard;
  }

  async #startApi(): Promise<void> {
    const environment = environmentOf(
      { ...this.#settings, SHARD_URLS: `{ shard1: "ws://127.0.0.1:${this.#shardPort}" }` },
      this.#stores,
    );
    const api = startProcess([...SLUICE, "api", "--port", "0"], { environment });
    const [, url = ""] = await api.says(/serves on (http:\S+),/, START_MS_MAX);
    await until("the api reaches its shard", START_MS_MAX, () => isReady(url));
    this.#api = api;
    this.#operator = await clientOf(url, OPERATOR);
  }

  get operator(): Client {
    if (this.#operator === null) throw new Error("the api does not run");
    return this.#operator;
  }

  get url(): string {
    return this.operator.url;
  }

  async stoppedStreams(): Promise<readonly Finding[]> {
    return this.#rows("SELECT epoch, `partition`, code FROM stopped_stream");
  }

  async quarantine(): Promise<readonly PutAside[]> {
    return this.#rows("SELECT epoch, `partition`, code, seq, value FROM quarantine ORDER BY id");
  }

  /** The last record of the partition's stream that central has. */
  async cursorOf(partition: number): Promise<{ readonly epoch: number; readonly seq: number }> {
    const [cursor] = await this.#rows<{ epoch: number; seq: number }>(
      `SELECT epoch, seq FROM stream_cursor WHERE \`partition\` = ${partition}`,
    );
    return cursor ?? { epoch: 0, seq: 0 };
  }

  async stoppedStreamsMetric(): Promise<number> {
    const text = await (await fetch(`http://127.0.0.1:${this.#applierPort}/metrics`)).text();
    return Number(/^sluice_applier_stopped_streams(?:\{.*\})? (\d+)$/m.exec(text)?.[1]);
  }

  /** The shard dies and its file with it; `sluice restore` makes another, and it goes on. */
  async loseDisk(): Promise<void> {
    this.#shard.kill("SIGKILL");
    await this.#shard.ended();
    const folder = String(this.#settings.DATA_DIR);
    for (const name of readdirSync(folder)) {
      if (name.startsWith("shard1.")) rmSync(join(folder, name));
    }
    const { APPLIER_URL } = this.#shardSettings;
    const environment = environmentOf(
      { ...this.#settings, APPLIER_URL: `${APPLIER_URL}` },
      this.#stores,
    );
    const command = [...SLUICE, "restore", "--shard", "shard1"];
    const { exitCode, stdout, stderr } = await runProcess(command, { environment }, RESTORE_MS_MAX);
    expect({ exitCode, stdout, stderr }).toMatchObject({ exitCode: 0 });
    this.#shard = (await serve(SHARD, this.#stores, this.#shardSettings)).process;
    await until("the api reaches its shard", START_MS_MAX, () => isReady(this.url));
  }

  /** As `sluice resend` does. */
  async resend(): Promise<void> {
    const { status } = await this.operator.send("POST", "/admin/v1/shards/shard1/resend");
    expect(status).toBe(202);
  }

  /** MySQL has everything that was answered, once, with its bytes, and nothing else. */
  async expectExact(loads: readonly Load[]): Promise<void> {
    expect(loads.flatMap(({ faults }) => faults)).toEqual([]);
    await centralHasAll(this.operator, SETTLED_MS_MAX);
    const orders = loads.flatMap((load) => load.orders);
    expectOneAnswerEach(orders);
    expectInContents(await mysqlContents(this.#database.url), orders);
    const environment = environmentOf(this.#settings, this.#stores);
    const { exitCode, stdout, stderr } = await runProcess([...SLUICE, "verify", "--json"], {
      environment,
    });
    expect({ exitCode, stdout, stderr }).toMatchObject({ exitCode: 0 });
  }

  async end(): Promise<void> {
    for (const one of [this.#api, this.#shard]) one?.kill("SIGTERM");
    await Promise.all([this.#api?.ended(), this.#shard.ended()]);
    await this.bridge.stop();
    await this.#database.drop();
  }

  async #rows<Row>(sql: string): Promise<Row[]> {
    const connection = await createConnection({ uri: this.#database.url });
    try {
      const [rows] = await connection.query(sql);
      return rows as Row[];
    } finally {
      connection.destroy();
    }
  }
}

const serve = async (command: readonly string[], stores: Settings, settings: Settings) => {
  const environment = environmentOf(settings, stores);
  const process = startProcess([...SLUICE, ...command], { environment });
  const [, port] = await process.says(/serves on \S*?:(\d+)/, START_MS_MAX);
  return { process, port: Number(port) };
};
