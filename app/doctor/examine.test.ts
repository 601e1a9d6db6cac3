import { describe, expect, test } from "bun:test";
import { CHECKS, examine } from "./examine.ts";
import type { Facts, TopicFacts } from "./facts.ts";
import { FINDINGS, type FindingCode } from "./findings.ts";
import { renderJson, renderText } from "./report.ts";
import {
  API,
  BROKER,
  CENTRAL,
  found,
  GIB,
  HEALTHY,
  HOST,
  MYSQL,
  partitionOf,
  shardOf,
  TOPIC,
} from "./test-facts.ts";

type Change = Partial<Facts>;
const DOWN = { ok: false, reason: "it does not answer within 3 s" } as const;

const host = (change: Partial<typeof HOST>): Change => ({ host: { ...HOST, ...change } });
const folder = (change: object): Change =>
  host({ folder: { mode: 0o700, writable: true, freeBytes: 100 * GIB, ...change } });
const api = (change: Partial<typeof API>): Change => ({ api: found({ ...API, ...change }) });
const shard2 = (change: object): Change =>
  api({ shards: [shardOf("shard1"), { ...shardOf("shard2"), ...change }, shardOf("shard3")] });
const risk = (change: object) => ({ ...shardOf("shard2").risk, ...change });
const broker = (change: Partial<typeof BROKER>): Change => ({
  broker: found({ ...BROKER, ...change }),
});
const topic = (change: Partial<typeof TOPIC>): Change => broker({ topic: { ...TOPIC, ...change } });
const partition1 = (change: object): Change =>
  topic({ partitions: [partitionOf(0), { ...partitionOf(1), ...change }] });
const replicated = (count: number): TopicFacts => ({
  ...TOPIC,
  partitions: [0, 1].map((n) => ({ ...partitionOf(n), replicas: count, inSync: count })),
  minInsyncReplicas: Math.min(count, 2),
});
const mysql = (change: Partial<typeof MYSQL>): Change => ({
  mysql: found({ ...MYSQL, ...change }),
});
const central = (change: Partial<typeof CENTRAL>): Change => ({
  central: found({ ...CENTRAL, ...change }),
});
const position1 = (nextOffset: number): Change =>
  central({ positions: [{ partition: 1, nextOffset }] });
const members = (...assigned: readonly (readonly number[])[]): Change =>
  broker({
    group: {
      state: "Stable",
      members: assigned.map((partitions, i) => ({ memberId: `m-${i}`, host: "/h", partitions })),
    },
  });
const stopped = (epoch: number): Change =>
  central({
    stopped: [
      { shard: "shard2", epoch, partition: 1, code: "gap", detail: "7 then 9", stoppedAt: 5 },
    ],
  });
const expected = (change: Partial<Facts["expected"]>): Change => ({
  expected: { ...HEALTHY.expected, ...change },
});
const clock = (offsetMs: number, uncertaintyMs = 5) => ({ offsetMs, uncertaintyMs });
const HOUR_MS = 3_600_000;

const EXPECTED_TOPIC_OF_TWO = {
  name: "orders.committed",
  groupId: "sluice-applier",
  replicationFactor: 2,
  retentionMs: 14 * 24 * HOUR_MS,
};

/** A change to a healthy system, what is found then, and a part of what is said. */
const cases: readonly (readonly [string, Change, readonly FindingCode[], string?])[] = [
  ["no data folder", host({ folder: null }), ["data_folder_missing"], "/srv/sluice"],
  ["a folder of somebody else", folder({ writable: false }), ["data_folder_unwritable"]],
  ["a folder that all can read", folder({ mode: 0o755 }), ["data_folder_open"], "755"],
  ["a folder that its group can write", folder({ mode: 0o720 }), ["data_folder_open"]],
  ["space below the floor", folder({ freeBytes: GIB - 1 }), ["disk_short"], "the floor is 1.0 GiB"],
  ["space at the floor", folder({ freeBytes: GIB }), ["disk_low"]],
  ["space four times the floor", folder({ freeBytes: 4 * GIB }), []],
  ["a shard's disk low", shard2({ freeBytes: 2 * GIB }), ["disk_low"], "shard2: 2.0 GiB"],
  ["old SQLite", host({ sqlite: { version: "3.40.0", refusal: "old" } }), ["sqlite_old"], "old"],
  ["unusable keys", host({ keysRefusal: "too short" }), ["keys_unusable"], "too short"],
  ["the api's clock ahead", api({ clock: clock(1006) }), ["clock_off"], "api is 1.0 s ahead"],
  ["the api's clock at the bound", api({ clock: clock(1005) }), []],
  ["the api's clock behind", api({ clock: clock(-2500) }), ["clock_off"], "2.5 s behind"],
  ["a slow answer about the time", api({ clock: clock(1500, 600) }), []],
  ["MySQL's clock", mysql({ clock: clock(9000) }), ["clock_off"], "MySQL is 9.0 s ahead"],
  [
    "Redis' clock",
    { redis: found({ version: "8", clock: clock(9000) }) },
    ["clock_off"],
    "Redis is 9.0 s",
  ],
  ["an api that is down", { api: DOWN }, ["api_unreachable"], "within 3 s"],
  ["no token", api({ token: { kind: "missing", detail: "no secret" } }), ["token_missing"]],
  [
    "an api with another key",
    api({ token: { kind: "refused", detail: "The signature is wrong." }, shards: null }),
    ["token_refused"],
    "The signature is wrong.",
  ],
  ["a shard more", expected({ shards: ["shard1", "shard2"] }), ["shard_map_differs"], "shard3;"],
  [
    "another shard",
    expected({ shards: ["shard1", "shard2", "shard9"] }),
    ["shard_map_differs"],
    "shard9",
  ],
  [
    "a shard that is down",
    shard2({ state: "unreachable", reason: "refused" }),
    ["shard_unreachable"],
    "shard2 does not answer: refused.",
  ],
  ["a failed shard", shard2({ state: "failed", reason: "disk" }), ["shard_failed"], "disk"],
  ["a draining shard", shard2({ state: "draining" }), ["shard_draining"]],
  ["a shard that refuses", shard2({ reason: "No space." }), ["shard_refuses_orders"], "No space."],
  [
    "a shard that was restored alone",
    shard2({ reason: "restored alone", risk: risk({ isReconciling: true }) }),
    ["shard_reconciling"],
    "restored alone",
  ],
  [
    "a bank that does not answer",
    shard2({ risk: risk({ pendingAgeMs: 61_000, outboxAgeMs: 61_000 }) }),
    ["bank_silent", "bank_behind"],
    "1 min",
  ],
  [
    "executions put aside, and no index",
    shard2({ executionsQuarantined: 2, risk: risk({ staleMarks: 1 }) }),
    ["executions_quarantined", "mark_prices_stale"],
    "2 executions",
  ],
  [
    "another partition count",
    expected({ partitionCount: 9 }),
    ["partition_count_differs"],
    "says 9",
  ],
  ["a raise broken off", shard2({ partitionCount: 1 }), ["raise_unfinished"], "shard1 2, shard2 1"],
  [
    "a relay that waits",
    shard2({ relay: { state: "connecting", reason: "no broker.", backlogRecords: 9 } }),
    ["relay_waits"],
    "The relay of shard2 is connecting: no broker.",
  ],
  ["an applier that is down", { applier: DOWN }, ["applier_unreachable"]],
  ["80 % of the backlog", shard2({ central: { lagRecords: 800, lagMs: 9 } }), []],
  [
    "over 80 % of the backlog",
    shard2({ central: { lagRecords: 801, lagMs: 9 } }),
    ["backlog_near_limit"],
    "801 of at most 1000",
  ],
  [
    "a late shard",
    shard2({ central: { lagRecords: 1, lagMs: 60_001 } }),
    ["central_lags"],
    "shard2: 1 record, the oldest 1 min old",
  ],
  ["a shard with nothing late", shard2({ central: { lagRecords: 0, lagMs: 99_999 } }), []],
  ["a broker that is down", { broker: DOWN }, ["broker_unreachable"]],
  ["no topic", broker({ topic: null }), ["topic_missing"], "orders.committed"],
  [
    "fewer partitions",
    topic({ partitions: [partitionOf(0)] }),
    ["topic_partitions_fewer"],
    "The topic has 1 partition, the shards number 2.",
  ],
  [
    "more partitions",
    {
      broker: found({
        ...BROKER,
        topic: { ...TOPIC, partitions: [0, 1, 2].map(partitionOf) },
        group: { state: "Stable", members: [{ memberId: "m", host: "/h", partitions: [0, 1, 2] }] },
      }),
    },
    ["topic_partitions_more"],
  ],
  ["one replica", topic(replicated(1)), ["replication_too_low"], "1 replica; 3 are wanted"],
  ["two replicas", topic(replicated(2)), ["replication_too_low"]],
  [
    "two replicas as configured",
    {
      ...topic(replicated(2)),
      ...expected({ topic: EXPECTED_TOPIC_OF_TWO }),
    },
    [],
  ],
  ["one broker", broker({ topic: replicated(1), brokers: 1 }), ["single_broker"]],
  ["a low min.insync", topic({ minInsyncReplicas: 1 }), ["min_insync_too_low"], "is 1 with 3"],
  ["a high min.insync", topic({ minInsyncReplicas: 4 }), ["min_insync_too_high"], "is 4 with 3"],
  ["an unclean election", topic({ uncleanElection: true }), ["unclean_election"]],
  ["a compacted topic", topic({ cleanupPolicy: "compact,delete" }), ["topic_compacted"]],
  ["no leader", partition1({ hasLeader: false }), ["partition_not_writable"], "Partition 1"],
  ["one of three in sync", partition1({ inSync: 1 }), ["partition_not_writable"], "1 of 3"],
  ["two of three in sync", partition1({ inSync: 2 }), ["replicas_out_of_sync"], "2 of 3"],
  ["a short retention", topic({ retentionMs: HOUR_MS }), ["retention_short"], "is 1 h, "],
  ["an endless retention", topic({ retentionMs: null }), []],
  [
    "a lag near the retention",
    { lag: [{ partition: 1, records: 4, ms: 8 * 24 * HOUR_MS }] },
    ["lag_near_retention", "central_lags"],
    "Partition 1: the oldest record that waits is 8 d old, the topic keeps 14 d.",
  ],
  [
    "a lag of a minute",
    { lag: [{ partition: 1, records: 4, ms: 60_001 }] },
    ["central_lags"],
    "Partition 1: 4 records",
  ],
  ["an unknown age", { lag: [{ partition: 1, records: 4, ms: null }] }, []],
  ["a position before the log", position1(99), ["records_expired"], "begins at offset 100"],
  ["a position at its beginning", position1(100), []],
  ["a position at its end", position1(200), []],
  ["a position beyond it", position1(201), ["topic_tail_lost"], "ends at offset 200"],
  ["no applier", broker({ group: { state: "Empty", members: [] } }), ["no_consumers"], "(Empty)"],
  ["a partition left out", members([0]), ["partition_unconsumed"], "partition 1."],
  ["an idle applier", members([0], [1], []), ["consumer_idle"], "m-2 (/h) has no partition"],
  [
    "a rebalance",
    broker({
      group: {
        state: "PreparingRebalance",
        members: [{ memberId: "m", host: "/h", partitions: [] }],
      },
    }),
    ["group_rebalancing"],
  ],
  ["MySQL down", { mysql: DOWN, central: DOWN }, ["mysql_unreachable"], "within 3 s"],
  ["MySQL 8.0.18", mysql({ version: "8.0.18-log" }), ["mysql_old"], "8.0.18-log"],
  ["MariaDB", mysql({ version: "11.4.2-MariaDB" }), ["mysql_old"]],
  ["MySQL 5.7", mysql({ version: "5.7.44" }), ["mysql_old"]],
  ["MySQL 8.0.19", mysql({ version: "8.0.19" }), []],
  ["MySQL read only", mysql({ readOnly: true }), ["mysql_read_only"]],
  ["lazy commits", mysql({ flushLogAtCommit: 2 }), ["mysql_flush"], "is 2."],
  ["a lazy binary log", mysql({ syncBinlog: 0 }), ["mysql_sync_binlog"], "is 0."],
  ["no binary log", mysql({ syncBinlog: null }), []],
  ["no doublewrite", mysql({ doublewrite: "DETECT_ONLY" }), ["mysql_doublewrite"]],
  ["small packets", mysql({ maxAllowedPacketBytes: 4 * 1024 ** 2 }), ["mysql_packet_small"], "4.0"],
  ["Redis down", { redis: DOWN }, ["redis_unreachable"]],
  ["no Redis", { redis: null }, []],
  ["no tables", { central: found(null) }, ["central_missing"], "MYSQL_URL"],
  ["an unreadable file", { mysql: null, central: DOWN }, ["central_unreadable"]],
  ["no embedded store", { mysql: null, central: found(null) }, ["central_missing"], "/srv/sluice"],
  ["an old copy", shard2({ epoch: 1 }), ["shard_is_old_copy"], "shard2 runs in epoch 1"],
  [
    "a stopped stream",
    stopped(2),
    ["stream_stopped"],
    "shard2, epoch 2, partition 1: gap, 7 then 9",
  ],
  ["an old epoch's stop", stopped(1), ["old_epoch_records"]],
  ["put aside", central({ quarantinedRecords: 3 }), ["records_quarantined"], "3 records"],
];

const findingsOf = (change: Change) =>
  examine({ ...HEALTHY, ...change }).checks.flatMap(({ findings }) => findings);

describe("doctor", () => {
  test("finds nothing in a healthy system, and looks at everything", () => {
    const { checks, problems, warnings } = examine(HEALTHY);
    expect({ problems, warnings }).toEqual({ problems: 0, warnings: 0 });
    expect(checks.filter(({ status }) => status !== "ok")).toEqual([]);
    expect(checks).toHaveLength(CHECKS.length);
    expect(checks.filter(({ seen }) => seen === "")).toEqual([]);
  });

  test.each([...cases])("with %s", (_, change, codes, said = "") => {
    const findings = findingsOf(change);
    expect(findings.map(({ code }) => code)).toEqual([...codes]);
    if (codes.length > 0) expect(findings[0]?.what).toContain(said);
  });

  test("can find all that its list has", () => {
    const produced = new Set(cases.flatMap(([, , codes]) => codes));
    expect([...produced].toSorted()).toEqual((Object.keys(FINDINGS) as FindingCode[]).toSorted());
  });

  test("says of a system that is down what is down, and nothing else", () => {
    const everything = { api: DOWN, applier: DOWN, broker: DOWN, mysql: DOWN, redis: DOWN };
    expect(findingsOf({ ...everything, central: DOWN, lag: [] }).map(({ code }) => code)).toEqual([
      "api_unreachable",
      "applier_unreachable",
      "broker_unreachable",
      "mysql_unreachable",
      "redis_unreachable",
    ]);
  });

  test.each([
    ["gap", "sluice resend --shard shard2"],
    ["hash_mismatch", "sluice resend --shard shard2"],
    ["unreadable", "appliers"],
    ["refused_by_store", "database"],
    ["old_epoch", "End the writer"],
  ] as const)("knows the way out of a stream stopped by %s", (code, fix) => {
    const stop = { shard: "shard2", epoch: 2, partition: 1, code, detail: "d", stoppedAt: 5 };
    expect(findingsOf(central({ stopped: [stop] }))[0]?.fix).toContain(fix);
  });
});

describe("the report", () => {
  const sick = examine({ ...HEALTHY, ...mysql({ syncBinlog: 0 }), redis: null });

  test("has a line for each check, and below it why and the way out", () => {
    const lines = renderText(sick);
    const at = lines.findIndex((line) => line.startsWith("PROBLEM"));
    expect(lines.slice(at, at + 4)).toEqual([
      "PROBLEM  MySQL             sync_binlog is 0.",
      `         why   ${FINDINGS.mysql_sync_binlog.why}`,
      "         fix   SET PERSIST sync_binlog = 1;",
      "         code  mysql_sync_binlog",
    ]);
    expect(lines).toContain("-        Redis             REDIS_URL is not set");
    expect(lines).toContain("ok       shards            3 shards serving");
    expect(lines).toContain("        1                4   12 ms");
    expect(lines.at(-1)).toBe("1 problem, 0 warnings.");
  });

  test("has a stable form for programs", () => {
    const json = JSON.parse(renderJson(sick));
    expect(Object.keys(json)).toEqual(["schema", "at", "problems", "warnings", "checks", "lag"]);
    expect(json).toMatchObject({ schema: 1, at: HEALTHY.at, problems: 1, lag: HEALTHY.lag });
    const line = json.checks.find(({ check }: { check: string }) => check === "MySQL");
    const { why, fix, severity } = FINDINGS.mysql_sync_binlog;
    expect(line).toEqual({
      check: "MySQL",
      status: "problem",
      seen: "",
      findings: [{ code: "mysql_sync_binlog", severity, what: "sync_binlog is 0.", why, fix }],
    });
  });
});
