import { afterAll, beforeAll, expect, test } from "bun:test";
import { systemClock } from "../../../shards/process/clock.ts";
import { testLogger } from "../../../tests/support/mysql-central.ts";
import { OwnServices, START_SERVICES_MS_MAX } from "../../../tests/support/services.ts";
import { Applier, type Commit } from "../applier.ts";
import { TestShard } from "../test-shard.ts";
import { openMysqlHistory } from "./mysql-history.ts";
import { openMysqlStore } from "./mysql-store.ts";

const P = 4;
const PUSHES = 40;
const RECORDS = 50;

let services: OwnServices;
beforeAll(async () => {
  services = await OwnServices.start({ mysql: true });
}, START_SERVICES_MS_MAX);
afterAll(() => services.stop(), START_SERVICES_MS_MAX);

test(
  "a server killed in mid-transaction and started again has each record once",
  async () => {
    const store = await openMysqlStore(services.mysqlUrl, systemClock, testLogger);
    const history = openMysqlHistory(services.mysqlUrl);
    const commits: Commit[] = [];
    let failures = 0;
    let firstFailure: () => void = () => undefined;
    const failed = new Promise<void>((resolve) => {
      firstFailure = resolve;
    });
    const applier = new Applier({
      store,
      limits: {
        commitRecordsMax: RECORDS,
        waitingBytesMax: 64 * 1024 * 1024,
        retryMsMin: 20,
        retryMsMax: 200,
      },
      observer: {
        committed: (commit) => commits.push(commit),
        failed: () => {
          failures++;
          firstFailure();
        },
      },
      clock: systemClock,
      logger: testLogger,
    });
    const shard = new TestShard(1);
    const claim = { shard: shard.shard, shardIndex: 1, claimId: "c", acceptLoss: false };
    await store.claimEpoch(claim);
    await applier.push([shard.epochStarted(P)]);
    const pushes = Array.from({ length: PUSHES }, () =>
      Array.from({ length: RECORDS }, () => shard.accepted(P)),
    );
    const answers = pushes.map((push) => applier.push(push));
    await answers[1];
    await services.kill("mysql");
    await failed;
    const unavailable = await history.order(42 as never, 1025 as never).catch((e: unknown) => e);
    expect(unavailable).toMatchObject({ code: "central_unavailable", retryable: true });
    await services.up("mysql");

    const results = await Promise.all(answers);
    expect(failures).toBeGreaterThan(0);
    expect(results.filter(({ stopped }) => stopped !== null)).toEqual([]);
    for (const [i, { applied, duplicates, cursor }] of results.entries()) {
      // A commit whose answer was lost is found applied by the repeat.
      expect(applied + duplicates).toBe(RECORDS);
      expect(cursor.seq).toBe((i + 1) * RECORDS + 1);
    }
    expect(await store.cursors(shard.shard)).toEqual([{ partition: P, ...shard.endOf(P) }]);
    const order = pushes.flat().at(-1);
    expect(await history.order(42 as never, (PUSHES * RECORDS * 1024 + 1) as never)).toBe(
      order?.value as string,
    );
    const page = { accountId: 42 as never, symbol: null, from: null, to: null, after: null };
    const all = await history.page({ ...page, limit: PUSHES * RECORDS + 1 });
    expect(all.bodies).toEqual(
      pushes
        .flat()
        .map(({ value }) => value)
        .toReversed(),
    );
    await history.close();
    await store.close();
  },
  START_SERVICES_MS_MAX,
);
