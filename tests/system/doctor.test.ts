/** `sluice doctor` beside the embedded system: nothing found in health, everything named in sickness. */

import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { endAll, makeFolder, runProcess, SLUICE } from "../support/processes.ts";
import { type Dev, environmentOf, type Settings, startDev } from "../support/sluice.ts";
import { until } from "../support/until.ts";

const TEST_MS_MAX = 120_000;
/** A second or two on a quiet machine; who waited for the shard would wait for ever. */
const BOUND_MS = 30_000;

interface Diagnosis {
  readonly schema: number;
  readonly problems: number;
  readonly warnings: number;
  readonly checks: readonly {
    readonly check: string;
    readonly status: string;
    readonly findings: readonly { readonly code: string; readonly what: string }[];
  }[];
}

const doctor = async (
  url: string,
  dataDir: string,
  settings: Settings = {},
  flags: string[] = [],
) =>
  runProcess([...SLUICE, "doctor", "--api", url, "--data-dir", dataDir, ...flags], {
    environment: environmentOf(settings),
  });

const diagnose = async (...[url, dataDir, settings]: Parameters<typeof doctor>) => {
  const { exitCode, stdout, stderr } = await doctor(url, dataDir, settings, ["--json"]);
  expect(stderr).toBe("");
  const diagnosis = JSON.parse(stdout) as Diagnosis;
  return { exitCode, diagnosis, found: diagnosis.checks.flatMap(({ findings }) => findings) };
};

describe("sluice doctor beside sluice dev", () => {
  const dataDir = makeFolder();
  let dev: Dev;

  beforeAll(async () => {
    dev = await startDev({ dataDir });
  }, TEST_MS_MAX);

  afterAll(() => endAll(), TEST_MS_MAX);

  test(
    "finds nothing in a fresh system",
    async () => {
      const { exitCode, diagnosis, found } = await diagnose(dev.url, dataDir);
      expect(found).toEqual([]);
      expect({ exitCode, ...diagnosis }).toMatchObject({
        exitCode: 0,
        schema: 1,
        problems: 0,
        warnings: 0,
      });
      const looked = diagnosis.checks.filter(({ status }) => status === "ok");
      expect(looked.map(({ check }) => check)).toEqual([
        "data folder",
        "disk",
        "SQLite",
        "token keys",
        "clocks",
        "api",
        "shards",
        "partition count",
        "hand-over",
        "accounts",
        "central store",
        "streams",
        "quarantine",
      ]);
    },
    TEST_MS_MAX,
  );

  test(
    "says it to people too",
    async () => {
      const { exitCode, stdout } = await doctor(dev.url, dataDir);
      expect(exitCode).toBe(0);
      expect(stdout).toEndWith("\nNothing found.\n");
      expect(stdout).toContain("ok       shards            3 shards serving\n");
    },
    TEST_MS_MAX,
  );

  test(
    "names settings that are not those of the running system",
    async () => {
      const { exitCode, found } = await diagnose(dev.url, dataDir, {
        PARTITION_COUNT: "12",
        SHARDING: "{ enabled: false }",
      });
      expect(exitCode).toBe(1);
      expect(found).toMatchObject([
        { code: "shard_map_differs" },
        {
          code: "partition_count_differs",
          what: "The shards have 10, SLUICE_PARTITION_COUNT says 12.",
        },
      ]);
    },
    TEST_MS_MAX,
  );

  test(
    "names an api that verifies with another key",
    async () => {
      const settings = { JWT_SECRET: "another secret than that of the api, long enough" };
      const { exitCode, found } = await diagnose(dev.url, dataDir, settings);
      expect(exitCode).toBe(1);
      expect(found).toMatchObject([{ code: "token_refused" }]);
    },
    TEST_MS_MAX,
  );

  test(
    "names a folder that others can read, and is not alarmed",
    async () => {
      chmodSync(dataDir, 0o755);
      const { exitCode, found } = await diagnose(dev.url, dataDir);
      chmodSync(dataDir, 0o700);
      expect(found).toMatchObject([{ code: "data_folder_open" }]);
      expect(exitCode).toBe(0);
    },
    TEST_MS_MAX,
  );

  test(
    "names a shard that hangs and a stopped stream, in bounded time",
    async () => {
      const pid = dev.pidOf("shard2");
      if (pid === undefined) throw new Error("shard2 does not run");
      const central = new Database(join(dataDir, "central.sqlite"), { strict: true });
      central
        .query("INSERT INTO stopped_stream VALUES ('shard1', 1, 3, 'gap', 'record 9 after 7', 5)")
        .run();
      process.kill(pid, "SIGSTOP");
      try {
        const startedMs = performance.now();
        const { exitCode, found } = await diagnose(dev.url, dataDir);
        expect(performance.now() - startedMs).toBeLessThan(BOUND_MS);
        expect(exitCode).toBe(1);
        expect(found.map(({ code }) => code)).toEqual(["shard_unreachable", "stream_stopped"]);
        expect(found[0]?.what).toStartWith("shard2 does not answer");
        const { stdout } = await runProcess(
          [...SLUICE, "quarantine", "list", "--data-dir", dataDir],
          { environment: environmentOf({}) },
        );
        expect(stdout).toContain("shard1, epoch 1, partition 3: gap, since 1970-01-01T00:00:00");
        expect(stdout).toContain("`sluice resend --shard shard1`");
      } finally {
        process.kill(pid, "SIGCONT");
        central.query("DELETE FROM stopped_stream").run();
        central.close();
      }
      await until("nothing is found again", TEST_MS_MAX / 2, async () => {
        return (await diagnose(dev.url, dataDir)).exitCode === 0;
      });
    },
    TEST_MS_MAX,
  );

  test(
    "names what is gone when all is stopped, and reads central all the same",
    async () => {
      expect(await dev.stop()).toBe(0);
      const { exitCode, diagnosis, found } = await diagnose(dev.url, dataDir);
      expect(exitCode).toBe(1);
      expect(found).toMatchObject([{ code: "api_unreachable" }]);
      const streams = diagnosis.checks.find(({ check }) => check === "streams");
      expect(streams?.status).toBe("ok");
    },
    TEST_MS_MAX,
  );

  test(
    "retry needs a topic",
    async () => {
      const { exitCode, stderr } = await runProcess(
        [...SLUICE, "quarantine", "retry", "--partition", "3", "--data-dir", dataDir],
        { environment: environmentOf({}) },
      );
      expect(exitCode).toBe(2);
      expect(stderr).toContain("MYSQL_URL is not set");
    },
    TEST_MS_MAX,
  );
});
