/** What a start refuses, and what it prints. */
import { afterEach, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  allEnded,
  endAll,
  environmentWith,
  makeFolder,
  runProcess,
  SLUICE,
  startProcess,
} from "../support/processes.ts";
import { launchDev, START_MS_MAX } from "../support/sluice.ts";

const TEST_MS_MAX = 120_000;

afterEach(() => endAll(), TEST_MS_MAX);

describe("a start that cannot be", () => {
  /** One sentence on stderr, nothing else, exit code 2, and nothing left. */
  const expectSentence = async (
    dataDir: string,
    started: ReturnType<typeof launchDev>,
    ...words: readonly string[]
  ): Promise<void> => {
    expect(await started.ended()).toBe(2);
    const lines = started.stderr().trimEnd().split("\n");
    expect(lines).toEqual([expect.any(String)]);
    for (const word of words) expect(lines[0]).toContain(word);
    expect(started.stdout()).toBe("");
    await allEnded(dataDir);
  };

  test(
    "for a taken port says which, and how to choose another",
    async () => {
      const dataDir = makeFolder();
      const taken = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
      try {
        const port = taken.port ?? 0;
        const words = [`${port}`, "taken", "SLUICE_PORT"];
        await expectSentence(dataDir, launchDev({ dataDir, port }), ...words);
      } finally {
        await taken.stop(true);
      }
    },
    TEST_MS_MAX,
  );

  test(
    "for a data folder that is a file says which, and how to choose another",
    async () => {
      const dataDir = join(makeFolder(), "data");
      writeFileSync(dataDir, "");
      await expectSentence(dataDir, launchDev({ dataDir }), dataDir, "--data-dir");
    },
    TEST_MS_MAX,
  );

  test.each([
    {
      name: "number",
      settings: { PORT: "http" },
      words: ["SLUICE_PORT", '"http"', "whole number"],
    },
    { name: "name", settings: { PROT: "1" }, words: ["SLUICE_PROT", "did you mean SLUICE_PORT?"] },
    { name: "secret", settings: { JWT_SECRET: "short" }, words: ["SLUICE_JWT_SECRET", "32"] },
    {
      name: "sharding map",
      settings: { SHARDING: "{ enabled: true, shard1: { symbols: BTCUSDT } }" },
      words: ["SLUICE_SHARDING", "no shard for the rest"],
    },
    {
      name: "size",
      settings: { SHARD_WAL_MAX: "64 potatoes" },
      words: ["SLUICE_SHARD_WAL_MAX", "64MiB"],
    },
  ])(
    "for a wrong $name in the configuration names the setting",
    async ({ settings, words }) => {
      const dataDir = makeFolder();
      const started = startProcess([...SLUICE, "dev", "--data-dir", dataDir], {
        environment: environmentWith(
          Object.fromEntries(Object.entries(settings).map(([name, v]) => [`SLUICE_${name}`, v])),
        ),
      });
      await expectSentence(dataDir, started, ...words);
    },
    TEST_MS_MAX,
  );
});

describe("what a start prints", () => {
  test(
    "is an address, a token and a curl line that works when it is pasted",
    async () => {
      const dataDir = makeFolder();
      const started = startProcess([...SLUICE, "dev", "--port", "0", "--data-dir", dataDir], {
        environment: environmentWith({}),
      });
      await started.says(/Ctrl-C/, START_MS_MAX);
      const printed = started.stdout();
      const [, url] = /Sluice serves at (http:\S+)/.exec(printed) ?? [];
      const [token] = /^eyJ\S+$/m.exec(printed) ?? [];
      const [curl = ""] = /^curl .*$/m.exec(printed) ?? [];
      const pasted = await runProcess(["bash", "-c", curl]);
      expect(pasted.exitCode).toBe(0);
      const { orderId, status } = JSON.parse(pasted.stdout) as Record<string, string>;
      expect(status).toBe("NEW");
      const read = await fetch(`${url}/v1/orders/${orderId}`, {
        headers: { authorization: `Bearer ${token}` },
      });
      expect(await read.text()).toBe(pasted.stdout);
      started.kill("SIGINT");
      expect(await started.ended()).toBe(0);
      await allEnded(dataDir, 0);
    },
    TEST_MS_MAX,
  );
});
