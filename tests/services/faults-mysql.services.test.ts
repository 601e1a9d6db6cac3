/** MySQL fails under load: it is killed, hangs, loses answers to COMMIT, is put back from a backup. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { createConnection } from "mysql2/promise";
import { CentralCopy } from "../support/central-copy.ts";
import { CommitProxy, type CutKind } from "../support/commit-proxy.ts";
import { expectKept } from "../support/ledger.ts";
import { Load } from "../support/load.ts";
import { endAll } from "../support/processes.ts";
import { printedSeed, randomOf, wholeOf } from "../support/random.ts";
import { type Replicated, startReplicated } from "../support/replicated.ts";
import {
  OwnServices,
  type Services,
  START_SERVICES_MS_MAX,
  servicesFromEnvironment,
} from "../support/services.ts";
import { until } from "../support/until.ts";

const LONG = process.env.SLUICE_TEST_LONG === "1";
const CONNECTIONS = 30;
/** A few hundred requests a second. */
const PAUSE_OF_CLIENT_MS = 50;
const APPLIED_MS_MAX = 90_000;
const TEST_MS_MAX = LONG ? 20 * 60_000 : 240_000;
const KILLS = LONG ? 12 : 2;
const PAUSE_MS = LONG ? 30_000 : 4000;
/** Of each kind. */
const CUTS = LONG ? 60 : 6;
/** Every so many COMMITs one is cut, at most. */
const CUT_EVERY_MAX = 4;
/** Orders before a fault, while it lasts, and after it. */
const BEFORE = 300;
const DURING = 200;
const AFTER = 200;

let own: OwnServices;
let proxy: CommitProxy;
let system: Replicated;
const loads: Load[] = [];

beforeAll(async () => {
  const { kafkaBrokers } = servicesFromEnvironment();
  own = await OwnServices.start({ mysql: true });
  proxy = await CommitProxy.start(own.mysqlUrl);
  const services: Services = { kafkaBrokers, mysqlUrl: proxy.url, redisUrl: "" };
  system = await startReplicated({ services });
}, START_SERVICES_MS_MAX);

afterAll(async () => {
  await endAll();
  proxy?.close();
  await own?.stop();
}, START_SERVICES_MS_MAX);

// One that a failed test left would make the next ones fail.
afterEach(async () => {
  proxy.cutter = () => null;
  await Promise.all(loads.map((load) => load.stop()));
});

const startLoad = async (what: string): Promise<Load> => {
  const load = await Load.start({
    url: system.url,
    seed: printedSeed(what),
    connections: CONNECTIONS,
    pauseMs: PAUSE_OF_CLIENT_MS,
  });
  loads.push(load);
  await load.moreAcked(BEFORE);
  return load;
};

/** Nothing of the fault may reach a client; then all of it, of this load and those before, is exact. */
const endLoad = async (load: Load): Promise<void> => {
  await load.moreAcked(AFTER);
  await load.stop();
  expect(load.interruptions).toEqual([]);
  await system.expectExact(loads);
  await expectKept(system.url, load.orders);
};

const recordsApplied = async (): Promise<number> => {
  const connection = await createConnection({ uri: own.mysqlUrl });
  try {
    const [rows] = await connection.query(
      `SELECT SUM(seq) AS sum FROM ${system.database.name}.stream_cursor`,
    );
    return Number((rows as { sum: string }[])[0]?.sum);
  } finally {
    connection.destroy();
  }
};

const awaitApplied = async (): Promise<void> => {
  const before = await recordsApplied();
  await until("central goes on", APPLIED_MS_MAX, async () => (await recordsApplied()) > before);
};

/** Resolves when that is done to a COMMIT of the applier. */
const atCommit = async (kind: CutKind): Promise<void> => {
  const done = Promise.withResolvers<void>();
  proxy.cutter = () => {
    proxy.cutter = () => null;
    done.resolve();
    return kind;
  };
  await done.promise;
};

describe("under load, nothing is lost, doubled or refused", () => {
  test(
    "when MySQL is killed in the middle of a transaction and comes back",
    async () => {
      const load = await startLoad("MySQL killed");
      for (let kill = 0; kill < KILLS; kill++) {
        // In the middle of a transaction, and when one stands that the applier has not heard of.
        await atCommit(kill % 2 === 0 ? "held" : "unanswered");
        await own.kill("mysql");
        await load.moreAcked(DURING);
        await own.up("mysql");
        await awaitApplied();
      }
      await endLoad(load);
    },
    TEST_MS_MAX,
  );

  test(
    "when MySQL hangs",
    async () => {
      const load = await startLoad("MySQL paused");
      await own.pause("mysql");
      try {
        await load.moreAcked(DURING);
        await Bun.sleep(PAUSE_MS);
      } finally {
        await own.resume("mysql");
      }
      await endLoad(load);
    },
    TEST_MS_MAX,
  );

  test(
    "when connections are cut inside COMMIT",
    async () => {
      const load = await startLoad("COMMIT cut");
      const random = randomOf(printedSeed("cuts"));
      const kinds: readonly CutKind[] = ["in the question", "before the answer", "at once"];
      let left = wholeOf(random, 1, CUT_EVERY_MAX);
      let next = 0;
      proxy.cutter = () => {
        if (--left > 0) return null;
        left = wholeOf(random, 1, CUT_EVERY_MAX);
        return kinds[next++ % kinds.length] as CutKind;
      };
      await until(
        () => `every kind of cut ${CUTS} times: ${JSON.stringify([...proxy.cuts])}`,
        TEST_MS_MAX,
        () => kinds.every((kind) => (proxy.cuts.get(kind) ?? 0) >= CUTS),
      );
      proxy.cutter = () => null;
      await endLoad(load);
      // What was committed without an answer came again.
      expect(await system.applierMetric("sluice_applier_records_duplicate_total")).toBeGreaterThan(
        0,
      );
      expect(await system.applierMetric("sluice_applier_store_failures_total")).toBeGreaterThan(
        CUTS,
      );
    },
    TEST_MS_MAX,
  );

  test(
    "when MySQL is put back from a backup while all goes on",
    async () => {
      const load = await startLoad("backup put back");
      const backup = await CentralCopy.take(system.mysqlUrl);
      await load.moreAcked(BEFORE);
      await awaitApplied();
      await backup.putBack();
      await endLoad(load);
      await backup.drop();
    },
    TEST_MS_MAX,
  );

  test(
    "when MySQL is put back from a backup while nothing runs",
    async () => {
      const load = await startLoad("backup put back, stopped");
      const backup = await CentralCopy.take(system.mysqlUrl);
      await load.moreAcked(BEFORE);
      await load.stop();
      await system.down();
      await backup.putBack();
      await backup.drop();
      await system.up();
      const next = await startLoad("after the backup");
      await endLoad(next);
    },
    TEST_MS_MAX,
  );
});
