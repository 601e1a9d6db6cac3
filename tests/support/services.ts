/** Kafka, MySQL and Redis for tests: those of the environment, or instances of a test's own. */
import { rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createConnection } from "mysql2/promise";
import { environmentWith, ROOT, runProcess } from "./processes.ts";

/** Where the services listen. */
export interface Services {
  /** `host:port`, as kafkajs wants them. */
  readonly kafkaBrokers: readonly string[];
  /** `mysql://user[:password]@host:port/database`. */
  readonly mysqlUrl: string;
  /** `redis://host:port`. */
  readonly redisUrl: string;
}

/** The environment variables that name the services. */
export const SERVICE_VARIABLES = ["KAFKA_BROKERS", "MYSQL_URL", "REDIS_URL"] as const;

type Environment = Readonly<Record<string, string | undefined>>;

/** Reads the three variables; throws, never skips, when one is missing. */
export const servicesFromEnvironment = (environment: Environment = process.env): Services => {
  const missing = SERVICE_VARIABLES.filter((name) => (environment[name] ?? "").trim() === "");
  if (missing.length > 0) {
    throw new Error(
      `${missing.join(", ")} not set: this test needs Kafka, MySQL and Redis. ` +
        "`deploy/local/services up` starts them and prints the variables to export.",
    );
  }
  return {
    kafkaBrokers: (environment.KAFKA_BROKERS ?? "").split(",").map((broker) => broker.trim()),
    mysqlUrl: environment.MYSQL_URL ?? "",
    redisUrl: environment.REDIS_URL ?? "",
  };
};

const randomName = (): string => crypto.randomUUID().replaceAll("-", "").slice(0, 12);

/** A topic's name that no other test has. */
export const freshTopic = (prefix = "test-orders"): string => `${prefix}-${randomName()}`;

/** An empty database of a test's own. */
export interface FreshDatabase {
  readonly url: string;
  readonly name: string;
  drop(): Promise<void>;
}

const execute = async (url: string, statement: string): Promise<void> => {
  const connection = await createConnection(url);
  try {
    await connection.query(statement);
  } finally {
    await connection.end();
  }
};

/** Makes a database with a random name on the server of the URL, whatever database that names. */
export const freshDatabase = async (mysqlUrl: string): Promise<FreshDatabase> => {
  const name = `test_${randomName()}`;
  const server = new URL(mysqlUrl);
  server.pathname = "/";
  await execute(server.href, `CREATE DATABASE ${name}`);
  const database = new URL(server);
  database.pathname = `/${name}`;
  return {
    url: database.href,
    name,
    drop: () => execute(server.href, `DROP DATABASE IF EXISTS ${name}`),
  };
};

/** What `deploy/local/services` calls them; `kafka` is every broker. */
export type ServiceName = "kafka" | "kafka1" | "kafka2" | "kafka3" | "mysql" | "redis";

/** Three brokers on a busy machine of two cores; the time limit of a hook that starts services. */
export const START_SERVICES_MS_MAX = 280_000;

/** Which services to start. */
export interface OwnServicesOptions {
  /** The number of brokers; a topic has as many replicas. */
  readonly kafka?: 1 | 3;
  readonly mysql?: boolean;
  readonly redis?: boolean;
}

/**
 * Services that belong to one test, for faults: on free ports, with their data in a temporary
 * folder. They stay in the process group of the test, so that the test runner finds and ends what a
 * test that was cut short has left.
 */
export class OwnServices implements Services {
  /** Empty when not started. */
  kafkaBrokers: readonly string[] = [];
  /** Empty when not started. */
  mysqlUrl = "";
  /** Empty when not started. */
  redisUrl = "";
  readonly #environment: Readonly<Record<string, string>>;
  readonly #folder: string;

  private constructor(folder: string, brokers: number) {
    const cache = process.env.SLUICE_SERVICES_DIR;
    this.#folder = folder;
    this.#environment = environmentWith({
      SLUICE_SERVICES_RUN: folder,
      SLUICE_SERVICES_ATTACHED: "1",
      ...(cache === undefined ? {} : { SLUICE_SERVICES_DIR: cache }),
      KAFKA_BROKERS_COUNT: `${brokers}`,
      KAFKA_PORT: "0",
      MYSQL_PORT: "0",
      REDIS_PORT: "0",
    });
  }

  /** Starts them and waits until they serve. */
  static async start({ kafka, mysql, redis }: OwnServicesOptions): Promise<OwnServices> {
    const folder = await mkdtemp(join(tmpdir(), "sluice-services-"));
    const own = new OwnServices(folder, kafka ?? 1);
    try {
      await own.#up([
        ...(kafka === undefined ? [] : (["kafka"] as const)),
        ...(mysql === true ? (["mysql"] as const) : []),
        ...(redis === true ? (["redis"] as const) : []),
      ]);
    } catch (error) {
      await own.stop();
      throw error;
    }
    return own;
  }

  /** Starts what does not run and waits until it serves, on the data and port it had. */
  async up(name: ServiceName): Promise<void> {
    await this.#up([name]);
  }

  /** Ends it with SIGKILL, and gives when it has ended; its data stays. */
  async kill(name: ServiceName): Promise<void> {
    await this.#run("kill", [name]);
  }

  /** Keeps it from answering; its connections stay open. */
  async pause(name: ServiceName): Promise<void> {
    await this.#run("pause", [name]);
  }

  async resume(name: ServiceName): Promise<void> {
    await this.#run("resume", [name]);
  }

  /** Ends it in order. */
  async down(name: ServiceName): Promise<void> {
    await this.#run("down", [name]);
  }

  /** A line for each service. */
  async status(): Promise<readonly string[]> {
    return (await this.#run("status", [])).trimEnd().split("\n");
  }

  /** Ends all of them and removes their data. */
  async stop(): Promise<void> {
    await this.#run("wipe", []);
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** The same at once, for a process that is ending. */
  stopNow(): void {
    const command = [join(ROOT, "deploy/local/services"), "wipe"];
    Bun.spawnSync(command, { env: this.#environment, stdio: ["ignore", "ignore", "ignore"] });
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #up(names: readonly ServiceName[]): Promise<void> {
    const variables = new Map(
      (await this.#run("up", names)).split("\n").map((line) => {
        const [name = "", ...value] = line.split("=");
        return [name, value.join("=")];
      }),
    );
    this.kafkaBrokers = variables.get("KAFKA_BROKERS")?.split(",") ?? [];
    this.mysqlUrl = variables.get("MYSQL_URL") ?? "";
    this.redisUrl = variables.get("REDIS_URL") ?? "";
  }

  async #run(verb: string, names: readonly ServiceName[]): Promise<string> {
    const command = [join(ROOT, "deploy/local/services"), verb, ...names];
    const { exitCode, stdout, stderr } = await runProcess(
      command,
      { environment: this.#environment },
      START_SERVICES_MS_MAX,
    );
    if (exitCode !== 0) throw new Error(`${command.join(" ")} ended with ${exitCode}: ${stderr}`);
    return stdout;
  }
}
