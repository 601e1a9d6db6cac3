/** What the way through broker and MySQL costs, and what its faults cost. */

import { OwnServices } from "../../tests/support/services.ts";
import { detectGenerator, GENERATOR_NOTES } from "../load/load.ts";
import { ACCOUNTS, makeAccounts } from "../load/orders.ts";
import { say } from "../support/options.ts";
import { type BenchReport, fixed, type Headline, type Table } from "../support/report.ts";
import { median } from "../support/statistics.ts";
import { withWorkFolder } from "../support/work-folder.ts";
import { startEcho } from "../system/echo.ts";
import { BENCH_SETTINGS } from "../system/system.ts";
import { type ApplyRun, applyTable, measureApplyRate } from "./apply-rate.ts";
import { replicationCharts } from "./charts.ts";
import { REPLICATION_TARGETS, type ReplicationOptions, type Step } from "./options.ts";
import {
  type DeadBrokerPair,
  deadBrokerTable,
  measureDeadBroker,
  measureOutage,
  type OutageRun,
  outageTable,
} from "./outage.ts";
import type { Stage } from "./stage.ts";
import {
  LAG_GROWTH_MAX,
  measureSustained,
  type SustainedRun,
  sustainedTables,
} from "./sustained.ts";
import { measureVisible, type VisibleRun, visibleTable } from "./visible.ts";

interface Found {
  readonly sustained: readonly SustainedRun[];
  readonly apply: readonly ApplyRun[];
  readonly visible: VisibleRun | null;
  readonly outage: OutageRun | null;
  readonly deadBroker: readonly DeadBrokerPair[];
}

export const benchReplication = (options: ReplicationOptions): Promise<BenchReport> =>
  withWorkFolder(async (folder) => {
    say("starting a broker and a MySQL");
    const services = await OwnServices.start({ kafka: 1, mysql: true });
    try {
      const echo = await startEcho(folder);
      const stage: Stage = { options, services, accounts: await makeAccounts(), echo, folder };
      try {
        return report(options, await measure(stage));
      } finally {
        await echo.kill();
      }
    } finally {
      await services.stop();
    }
  });

/** Where nothing was measured before it: orders a second for the parts with a dead broker. */
const RATE_DEFAULT = 5000;

const measure = async (stage: Stage): Promise<Found> => {
  const { steps, rounds } = stage.options;
  const has = (step: Step): boolean => steps.includes(step);
  const sustained: SustainedRun[] = [];
  const apply: ApplyRun[] = [];
  if (has("sustained")) sustained.push(await measureSustained(stage));
  for (let round = 0; has("apply") && round < Math.min(rounds, 3); round++) {
    apply.push(await measureApplyRate(stage));
  }
  const peak = median(sustained.map(({ ordersPerSecond }) => ordersPerSecond));
  const half = Math.round(Number.isNaN(peak) ? RATE_DEFAULT : peak / 2);
  return {
    sustained,
    apply,
    visible: has("visible") ? await measureVisible(stage) : null,
    outage: has("outage") ? await measureOutage(stage, half) : null,
    deadBroker: has("dead-broker") ? await measureDeadBroker(stage, half) : [],
  };
};

const report = (options: ReplicationOptions, found: Found): BenchReport => {
  const { sustained, apply, visible, outage, deadBroker } = found;
  const tables: readonly Table[] = [
    ...(sustained.length > 0 ? sustainedTables(sustained) : []),
    ...(apply.length > 0 ? [applyTable(apply)] : []),
    ...(visible === null ? [] : [visibleTable(visible)]),
    ...(outage === null ? [] : [outageTable(outage)]),
    ...(deadBroker.length > 0 ? [deadBrokerTable(deadBroker)] : []),
    verdictTable(found),
  ];
  return {
    name: "replication",
    headlines: [sustainedHeadline(sustained), applyHeadline(apply)],
    tables,
    charts: replicationCharts(sustained, visible),
    conditions: conditionsOf(options),
    warnings: [
      ...sustained.flatMap(({ problems }) => problems),
      ...(outage?.problems ?? []),
      ...(sustained.some(({ lagGrowth }) => lagGrowth > LAG_GROWTH_MAX)
        ? ["the lag grew: what is sustained is what was applied"]
        : []),
    ],
    runs: [...sustained, ...apply, visible, outage, ...deadBroker],
  };
};

const sustainedHeadline = (runs: readonly SustainedRun[]): Headline => {
  const ratio = median(runs.map((run) => run.ratio));
  const { least, aim } = REPLICATION_TARGETS.sustained;
  return {
    value: fixed(ratio, 2),
    what: "orders in, durable and in MySQL for each answer of the bare echo, all on this machine",
    target: `at least ${least}, aim ${aim}`,
    met: Number.isNaN(ratio) ? null : ratio >= least,
  };
};

const applyHeadline = (runs: readonly ApplyRun[]): Headline => {
  const ratio = median(runs.map((run) => run.ratio));
  const { least } = REPLICATION_TARGETS.apply;
  return {
    value: fixed(ratio, 2),
    what: "records that one applier takes for each row of MySQL's own multi-row upsert",
    target: `at least ${least}`,
    met: Number.isNaN(ratio) ? null : ratio >= least,
  };
};

const verdictTable = ({ visible, outage, deadBroker }: Found): Table => {
  const { visibleMs, deadBroker: most } = REPLICATION_TARGETS;
  const moved = median(deadBroker.map(({ ratio }) => ratio));
  const verdict = (holds: boolean): string => (holds ? "met" : "NOT met");
  return {
    columns: ["also wanted", "found", "wanted", "verdict"],
    rows: [
      ...(visible === null
        ? []
        : [
            [
              "p99 from ack to row, ms",
              fixed(visible.latencyMs.p99, 0),
              `under ${visibleMs}`,
              verdict(visible.latencyMs.p99 < visibleMs),
            ],
          ]),
      ...(outage === null
        ? []
        : [["catch-up ÷ intake", fixed(outage.ratio, 2), "over 1", verdict(outage.ratio > 1)]]),
      ...(deadBroker.length === 0
        ? []
        : [["p50 with a dead broker", fixed(moved, 2), `at most ${most}`, verdict(moved <= most)]]),
    ],
  };
};

const conditionsOf = (options: ReplicationOptions) => ({
  generator: GENERATOR_NOTES[detectGenerator()],
  connections: options.connections,
  rounds: options.rounds,
  seconds: options.seconds,
  longSeconds: options.longSeconds,
  warmUpSeconds: options.warmUpSeconds,
  records: options.records,
  quick: options.quick,
  program: options.binary ?? "bun app/main.ts",
  accounts: ACCOUNTS,
  services: "one Kafka broker (acks all, no fsync per record) and MySQL (every commit synced) here",
  system:
    "one hot shard, one api, one applier, ten partitions; new database, topic and data folder",
  settings: { ...BENCH_SETTINGS, ...options.settings },
});
