import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UsageError } from "../shards/process/failure.ts";
import { renderConfig } from "./commands/config.ts";
import { type LoadedConfig, loadConfig, parseDurationFlag, SETTING_NAMES } from "./config.ts";
import type { Environment } from "./config-sources.ts";

const SECRET = "0123456789abcdef0123456789abcdef";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-config-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const write = (name: string, text: string): string => {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
};
const loadFile = (yaml: string, environment: Environment = {}): LoadedConfig =>
  loadConfig({ file: write("sluice.yaml", yaml) }, environment);

const refusal = (load: () => unknown): string => {
  try {
    load();
  } catch (error) {
    if (error instanceof UsageError) return error.message.replaceAll(`${folder}/`, "");
    throw error;
  }
  return "nothing refused";
};

describe("precedence", () => {
  const environment = { SLUICE_PORT: "3", SLUICE_HOST: "::1", SLUICE_SHARD_WAL_MAX: "3MiB" };

  test("flag, environment, file, default", () => {
    const file = write(
      "sluice.yaml",
      "port: 2\nhost: 127.0.0.2\nlogLevel: warn\nshard: { walMax: 2MiB, batchOrdersMax: 512 }",
    );
    const { config, effective } = loadConfig({ file, flags: { port: "4" } }, environment);
    expect([config.port, config.host, config.logLevel]).toEqual([4, "::1", "warn"]);
    expect(config.shard).toMatchObject({
      walMax: 3 * 1024 ** 2,
      batchOrdersMax: 512,
      intakeQueueMax: 8192,
    });
    const sourceOf = (path: string) => effective.find((entry) => entry.path === path)?.source;
    expect(sourceOf("port")).toBe("--port");
    expect(sourceOf("host")).toBe("SLUICE_HOST");
    expect(sourceOf("logLevel")).toBe(file);
    expect(sourceOf("shard.walMax")).toBe("SLUICE_SHARD_WAL_MAX");
    expect(sourceOf("shard.batchOrdersMax")).toBe(file);
    expect(sourceOf("shard.intakeQueueMax")).toBe("default");
  });

  test("a setting without a value, in file or environment, is not set", () => {
    const { config } = loadFile("port:\nshard:\n", { SLUICE_HOST: "" });
    expect([config.port, config.host]).toEqual([8080, "127.0.0.1"]);
  });

  test("a child started with its environment has the same settings", () => {
    const loaded = loadFile(
      `jwtSecret: "${SECRET}"\nrequestDeadline: 7s\nshardUrls: { shard1: ws://127.0.0.1:1 }\n` +
        `sharding: { enabled: true, shard1: { symbols: "" } }\nshard: { walMax: 7MiB }`,
      { SLUICE_PORT: "3", PATH: "/bin" },
    );
    const child = loaded.childEnvironment({ port: "0" });
    expect(child.PATH).toBe("/bin");
    expect(loadConfig({}, child).config).toEqual({ ...loaded.config, port: 0 });
  });
});

test("a child gets nothing of a setting that is withheld from it", () => {
  const loaded = loadConfig({}, { SLUICE_JWT_SECRET: SECRET, SLUICE_PORT: "3" });
  expect(loaded.childEnvironment({ jwtSecret: null })).not.toHaveProperty("SLUICE_JWT_SECRET");
  expect(loaded.childEnvironment({})).toMatchObject({
    SLUICE_JWT_SECRET: SECRET,
    SLUICE_PORT: "3",
  });
});

describe("what stops the start, and what it is called", () => {
  const together = "MYSQL_URL needs KAFKA_BROKERS: set both, or neither for the embedded store.";

  test.each<[Environment, string]>([
    [{ SLUICE_PORT: "abc" }, 'SLUICE_PORT = "abc": expected a whole number from 0 to 65535.'],
    [{ SLUICE_PORT: "65536" }, 'SLUICE_PORT = "65536": expected a whole number from 0 to 65535.'],
    [
      { SLUICE_PROT: "1" },
      "SLUICE_PROT in the environment is not a setting: did you mean SLUICE_PORT?",
    ],
    [{ SLUICE_QUITE_ELSE: "1" }, "SLUICE_QUITE_ELSE in the environment is not a setting."],
    [
      { SLUICE_SHARD_WAL_MAX: "12" },
      'SLUICE_SHARD_WAL_MAX = "12": expected like 64MiB (B, KiB, MiB, GiB).',
    ],
    [{ SLUICE_RISK: "some" }, 'SLUICE_RISK = "some": expected margin or none.'],
    [
      { SLUICE_MARGIN_FEE_RATE: "5%" },
      'SLUICE_MARGIN_FEE_RATE = "5%": expected a share like 0.0005, 8 decimals.',
    ],
    [
      { SLUICE_SHARD_LISTEN: "8101" },
      'SLUICE_SHARD_LISTEN = "8101": expected HOST:PORT, like 127.0.0.1:8101.',
    ],
    [
      { SLUICE_SHARD_URLS: "{ shard1: http://x }" },
      'SLUICE_SHARD_URLS.shard1 = "http://x": expected a URL like ws://127.0.0.1:8101.',
    ],
    [{ SLUICE_CLUSTER_SECRET: "short" }, "SLUICE_CLUSTER_SECRET: expected at least 32 bytes."],
    [{ MYSQL_URL: "mysql://a/b" }, together],
    [
      { KAFKA_BROKERS: "a", MYSQL_URL: "mysql://a/b" },
      'KAFKA_BROKERS = "a": expected HOST:PORT,HOST:PORT,….',
    ],
    [
      { KAFKA_BROKERS: "a:1", MYSQL_URL: "postgres://hush@a" },
      "MYSQL_URL: expected a URL like mysql://user:password@host:3306/sluice.",
    ],
    [{ REDIS_URL: "http://hush@a" }, "REDIS_URL: expected a URL like redis://host:6379/0."],
    [
      { KAFKA_BROKERS: "a:1,b:99999", MYSQL_URL: "mysql://a/b" },
      'KAFKA_BROKERS = "a:1,b:99999": expected HOST:PORT,HOST:PORT,….',
    ],
    [
      { KAFKA_BROKERS: "a:1", MYSQL_URL: "hush" },
      "MYSQL_URL: expected a URL like mysql://user:password@host:3306/sluice.",
    ],
    [
      { SLUICE_KAFKA_BROKERS: "a:1" },
      "SLUICE_KAFKA_BROKERS in the environment is not a setting: did you mean KAFKA_BROKERS?",
    ],
    [
      { SLUICE_KAFKA_TOPIC: "a b" },
      'SLUICE_KAFKA_TOPIC = "a b": expected a topic\'s name: letters, digits, dot, _ and -, ' +
        "249 at most.",
    ],
    [
      { SLUICE_KAFKA_SASL_MECHANISM: "gssapi" },
      'SLUICE_KAFKA_SASL_MECHANISM = "gssapi": expected one of plain, scram-sha-256, scram-sha-512.',
    ],
    [
      { SLUICE_KAFKA_SASL_MECHANISM: "plain", SLUICE_KAFKA_SASL_USERNAME: "a" },
      "kafka.saslMechanism, kafka.saslUsername and kafka.saslPassword go together: set all or " +
        "none; not set: kafka.saslPassword.",
    ],
    [
      { SLUICE_KAFKA_SSL_CA: "ca.pem" },
      "kafka.sslCa = ca.pem needs kafka.ssl: set it to true, or leave kafka.sslCa out.",
    ],
  ])("environment %p", (environment, sentence) => {
    expect(refusal(() => loadConfig({}, environment))).toBe(sentence);
  });

  test.each([
    [
      "port: yes-please",
      'port (sluice.yaml) = "yes-please": expected a whole number from 0 to 65535.',
    ],
    ["port: true", "port (sluice.yaml) = true: expected a whole number from 0 to 65535."],
    ["prot: 1", "prot in sluice.yaml is not a setting: did you mean port?"],
    [
      "shard: { walMx: 1MiB }",
      "shard.walMx in sluice.yaml is not a setting: did you mean shard.walMax?",
    ],
    ["shard: 3", "shard in sluice.yaml must be a mapping of settings."],
    ["- port", "--config sluice.yaml must be a mapping of settings."],
    [
      'sharding: { enabled: true, shard1: { symbols: "A" } }',
      'sharding (sluice.yaml): sharding has no shard for the rest: give one shard symbols: "", ' +
        "it takes every symbol that no other shard names.",
    ],
  ])("file %p", (yaml, sentence) => {
    expect(refusal(() => loadFile(yaml))).toBe(sentence);
  });

  test("a flag is called by its name", () => {
    expect(refusal(() => loadConfig({ flags: { port: "x" } }, {}))).toStartWith('--port = "x": ');
  });

  test("every wrong setting has its line", () => {
    const environment = { SLUICE_PORT: "x", SLUICE_PARTITION_COUNT: "0" };
    expect(refusal(() => loadConfig({}, environment)).split("\n")).toHaveLength(2);
  });

  test("a file that is missing, or no YAML, is named", () => {
    const missing = join(folder, "none.yaml");
    expect(refusal(() => loadConfig({ file: missing }, {}))).toStartWith("--config none.yaml");
    expect(refusal(() => loadFile("a: [1"))).toStartWith("--config sluice.yaml cannot be read: ");
  });
});

describe("limits that must agree", () => {
  test.each([
    [{ SLUICE_SHARD_INTAKE_QUEUE_MAX: "1023" }, "shard.intakeQueueMax (1023)"],
    [{ SLUICE_SHARD_OPEN_ORDERS_MAX: "1023" }, "shard.openOrdersMax (1023)"],
    [{ SLUICE_SHARD_BACKLOG_RECORDS_MAX: "8191" }, "shard.backlogRecordsMax (8191)"],
    [{ SLUICE_REQUEST_DEADLINE: "50ms" }, "requestDeadline (50ms)"],
    [{ SLUICE_SHARD_OUTCOME_RETENTION: "5s" }, "shard.outcomeRetention (5000ms)"],
    [{ SLUICE_SHARD_LISTEN: "0.0.0.0:1" }, "shardListen is off loopback (0.0.0.0)"],
    [{ SLUICE_APPLIER_LISTEN: "[::]:1" }, "applierListen is off loopback (::)"],
    [{ SLUICE_APPLIER_URL: "ws://applier:1" }, "applierUrl is off loopback (applier)"],
    [{ SLUICE_SHARD_URLS: "{ shard1: ws://s1:1 }" }, "shardUrls.shard1 is off loopback (s1)"],
  ])("%p", (environment, start) => {
    const sentence = refusal(() => loadConfig({}, environment));
    expect(sentence).toStartWith(start);
    expect(sentence).not.toContain("\n");
  });

  test.each([
    [{ SLUICE_SHARD_INTAKE_QUEUE_MAX: "1024" }],
    [{ SLUICE_SHARD_LISTEN: "[::1]:1", SLUICE_APPLIER_URL: "ws://localhost:1" }],
    [{ SLUICE_SHARD_LISTEN: "0.0.0.0:1", SLUICE_CLUSTER_SECRET: SECRET }],
  ])("%p is well", (environment) => {
    expect(refusal(() => loadConfig({}, environment))).toBe("nothing refused");
  });
});

describe("secrets", () => {
  test("may be given as a file; its last line end is no part of them", () => {
    const file = write("secret", `${SECRET}\n`);
    expect(loadConfig({}, { SLUICE_JWT_SECRET_FILE: file }).config.jwtSecret).toBe(SECRET);
  });

  test("are refused when given twice, and a missing file is named", () => {
    const twice = { SLUICE_JWT_SECRET: SECRET, SLUICE_JWT_SECRET_FILE: write("secret", SECRET) };
    expect(refusal(() => loadConfig({}, twice))).toBe(
      "SLUICE_JWT_SECRET and SLUICE_JWT_SECRET_FILE are both set: keep one of them.",
    );
    const missing = { SLUICE_JWT_KEYS_FILE: join(folder, "none") };
    expect(refusal(() => loadConfig({}, missing))).toStartWith("SLUICE_JWT_KEYS_FILE=none ");
  });

  test("are never shown, wherever they come from", () => {
    const urls: Record<string, string> = {
      MYSQL_URL: `mysql://u:${SECRET}@a/b`,
      REDIS_URL: `redis://:${SECRET}@a`,
    };
    for (const { env } of SETTING_NAMES.filter(({ secret }) => secret)) {
      const value = urls[env] ?? SECRET;
      const needed = {
        KAFKA_BROKERS: "a:1",
        MYSQL_URL: "mysql://a/b",
        SLUICE_KAFKA_SASL_MECHANISM: "plain",
        SLUICE_KAFKA_SASL_USERNAME: "u",
        SLUICE_KAFKA_SASL_PASSWORD: "p",
      };
      const shown = renderConfig(loadConfig({}, { ...needed, [env]: value }).effective);
      expect(shown).toContain(`"********" # ${env}`);
      expect(shown).not.toContain(SECRET);
    }
    expect(refusal(() => loadConfig({}, { SLUICE_CLUSTER_SECRET: "hush" }))).not.toContain("hush");
  });
});

describe("the effective settings", () => {
  test("are a file that gives the same settings", () => {
    const { config, effective } = loadConfig(
      { flags: { port: "4" } },
      {
        KAFKA_BROKERS: "a:1,[::1]:2",
        MYSQL_URL: "mysql://a/b",
        SLUICE_SHARD_URLS: "{ shard1: ws://127.0.0.1:1 }",
        SLUICE_SHARD_WAL_MAX: "3MiB",
        SLUICE_KAFKA_SSL: "true",
      },
    );
    const shown = renderConfig(effective);
    expect(shown).toContain("port: 4 # --port\n");
    expect(shown).toContain("  walMax: 3MiB # SLUICE_SHARD_WAL_MAX\n");
    expect(shown).toContain("host: 127.0.0.1 # default\n");
    expect(shown).toContain("jwtSecret: null # not set\n");
    expect(shown).toContain('mysqlUrl: "********" # MYSQL_URL\n');
    expect(loadFile(shown.replace('"********"', "mysql://a/b")).config).toEqual(config);
  });
});

test("no two settings share an environment name", () => {
  const names = SETTING_NAMES.flatMap(({ env, secret }) => (secret ? [env, `${env}_FILE`] : [env]));
  expect(new Set(names).size).toBe(names.length);
});

test.each([
  ["1h", 3_600_000],
  ["90s", 90_000],
])("a duration of %s is %d ms", (text, ms) => {
  expect(parseDurationFlag("--ttl", text)).toBe(ms);
});

test("a wrong duration names its flag", () => {
  expect(refusal(() => parseDurationFlag("--ttl", "soon"))).toStartWith('--ttl = "soon": ');
});
