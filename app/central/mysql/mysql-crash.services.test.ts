import { afterAll, beforeAll, expect, test } from "bun:test";
import { systemClock } from "../../../shards/process/clock.ts";
import type { CommittedRecord } from "../../../shards/protocol/record.ts";
import { testLogger } from "../../../tests/support/mysql-central.ts";
import { OwnServices, START_SERVICES_MS_MAX } from "../../../tests/support/services.ts";
import { Applier, type Commit } from "../applier.ts";
import { TestShard } from "../test-shard.ts";
import { openMysqlHistory } from "./mysql-history.ts";
import { openMysqlStore } from "./mysql-store.ts";

const P = 4;
/** That wait at any time until the server is gone, and after that. */
const PUSHES = 10;
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
    const failed = Promise.withResolvers<void>();
    let failures = 0;
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
          failed.resolve();
        },
      },
      clock: systemClock,
      logger: testLogger,
    });
    const shard = new TestShard(1);
    const claim = { shard: shard.shard, shardIndex: 1, claimId: "c", acceptLoss: false };
    await store.claimEpoch(claim);
    await applier.push([shard.epochStarted(P)]);
    const pushes: CommittedRecord[][] = [];
    const answers: ReturnType<Applier["push"]>[] = [];
    const push = (): void => {
      const records = Array.from({ length: RECORDS }, () => shard.accepted(P));
      pushes.push(records);
      answers.push(applier.push(records));
    };
    for (let n = 0; n < PUSHES; n++) push();
    await answers[1];
    const killed = services.kill("mysql");
    // Another one with each that is applied, so that the end comes in the middle of something.
    for (let next = 2; failures === 0; next++) {
      push();
      await Promise.race([answers[next], failed.promise]);
    }
    await killed;
    const unavailable = await history.order(42 as never, 1025 as never).catch((e: unknown) => e);
    expect(unavailable).toMatchObject({ code: "central_unavailable", retryable: true });
    await services.up("mysql");

    const results = await Promise.all(answers);
    expect(results.filter(({ stopped }) => stopped !== null)).toEqual([]);
    for (const [i, { applied, duplicates, cursor }] of results.entries()) {
      // A commit whose answer was lost is found applied by the repeat.
      expect(applied + duplicates).toBe(RECORDS);
      expect(cursor.seq).toBe((i + 1) * RECORDS + 1);
    }
    expect(await store.cursors(shard.shard)).toEqual([{ partition: P, ...shard.endOf(P) }]);
    const order = pushes.flat().at(-1);
    expect(await history.order(42 as never, (pushes.length * RECORDS * 1024 + 1) as never)).toBe(
      order?.value as string,
    );
    const page = { accountId: 42 as never, symbol: null, from: null, to: null, after: null };
    const all = await history.page({ ...page, limit: pushes.length * RECORDS + 1 });
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
