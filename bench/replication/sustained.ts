/** The rate at which orders come in while broker, MySQL and all else run here, and what lags. */
import { detectGenerator, type Load, runLoad } from "../load/load.ts";
import { makeTemplates } from "../load/orders.ts";
import { say } from "../support/options.ts";
import { fixed, type Table, whole } from "../support/report.ts";
import { median } from "../support/statistics.ts";
import type { RunningSystem } from "../system/system.ts";
import { cpuOf, type Stage, withReplicated } from "./stage.ts";

export interface SustainedRun {
  readonly echoPerSecond: number;
  readonly ordersPerSecond: number;
  /** Records that reached central in the measured time, a second. */
  readonly appliedPerSecond: number;
  /** The smaller of the two ÷ the echo's. */
  readonly ratio: number;
  /** Records that central lacked, once a second. */
  readonly lag: readonly number[];
  /** Mean of the last third ÷ mean of the middle third. */
  readonly lagGrowth: number;
  readonly latencyMs: Load["latencyMs"];
  readonly cpuUs: Readonly<Record<string, number>>;
  readonly catchUpMs: number;
  readonly problems: readonly string[];
}

const LAG_LOOK_MS = 1000;
/** A lag that is as good as none may double. */
const LAG_FLOOR = 5000;

export const measureSustained = (stage: Stage): Promise<SustainedRun> =>
  withReplicated(stage, async (system) => {
    const { options } = stage;
    const echoBefore = await load(stage, stage.echo.port, options.seconds);
    await load(stage, system.port, options.warmUpSeconds);
    await system.untilCentralHasAll();
    const before = await system.shardStatus();
    const cpuBefore = await cpuOf(stage, system.processes);
    const watched = watchLag(system);
    const orders = await load(stage, system.port, options.longSeconds);
    const after = await system.shardStatus();
    const cpuAfter = await cpuOf(stage, system.processes);
    const lag = await watched.stop();
    const catchUpMs = await system.untilCentralHasAll();
    const echoAfter = await load(stage, stage.echo.port, options.seconds);
    const echoPerSecond = (echoBefore.perSecond + echoAfter.perSecond) / 2;
    const came = after.commitSeq - before.commitSeq;
    const appliedPerSecond = (came - after.central.lagRecords) / orders.seconds;
    const ratio = Math.min(orders.perSecond, appliedPerSecond) / echoPerSecond;
    say(`sustained: ${whole(orders.perSecond)} orders/s, ratio ${fixed(ratio, 3)}`);
    return {
      echoPerSecond,
      ordersPerSecond: orders.perSecond,
      appliedPerSecond,
      ratio,
      lag,
      lagGrowth: growthOf(lag),
      latencyMs: orders.latencyMs,
      cpuUs: {
        generator: (orders.generatorCpuSeconds * 1e6) / orders.requests,
        ...Object.fromEntries(
          Object.entries(cpuAfter).map(([name, seconds]) => [
            name,
            ((seconds - (cpuBefore[name] ?? 0)) * 1e6) / orders.requests,
          ]),
        ),
      },
      catchUpMs,
      problems: [
        ...(orders.refused > 0 ? [`${orders.refused} answers were no 201`] : []),
        ...(orders.lost > 0 ? [`${orders.lost} answers did not come`] : []),
      ],
    };
  });

const load = (stage: Stage, port: number, seconds: number): Promise<Load> =>
  runLoad(detectGenerator(), {
    port,
    connections: stage.options.connections,
    seconds,
    templates: makeTemplates(stage.accounts, port),
    check: false,
    folder: stage.folder,
  });

const watchLag = (system: RunningSystem) => {
  const lag: number[] = [];
  let isStopped = false;
  const run = async (): Promise<void> => {
    while (!isStopped) {
      lag.push((await system.shardStatus()).central.lagRecords);
      await Bun.sleep(LAG_LOOK_MS);
    }
  };
  const running = run();
  return {
    stop: async (): Promise<readonly number[]> => {
      isStopped = true;
      await running;
      return lag;
    },
  };
};

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);

const growthOf = (lag: readonly number[]): number => {
  const third = Math.floor(lag.length / 3);
  return mean(lag.slice(-third)) / Math.max(LAG_FLOOR, mean(lag.slice(third, 2 * third)));
};

/** Beyond this the lag counts as growing. */
export const LAG_GROWTH_MAX = 1.5;

export const CPU_COLUMNS = ["generator", "api", "shard", "applier", "kafka", "mysql"] as const;

export const sustainedTables = (runs: readonly SustainedRun[]): readonly Table[] => {
  const of = (read: (run: SustainedRun) => number): number => median(runs.map(read));
  const cpu = CPU_COLUMNS.map((name) => of(({ cpuUs }) => cpuUs[name] ?? 0));
  return [
    {
      columns: ["sustained", "ratio", "orders/s", "applied/s", "echo/s", "p50 ms", "p99 ms"],
      rows: [
        [
          "all on this machine",
          fixed(
            of(({ ratio }) => ratio),
            3,
          ),
          whole(of(({ ordersPerSecond }) => ordersPerSecond)),
          whole(of(({ appliedPerSecond }) => appliedPerSecond)),
          whole(of(({ echoPerSecond }) => echoPerSecond)),
          fixed(
            of(({ latencyMs }) => latencyMs.p50),
            1,
          ),
          fixed(
            of(({ latencyMs }) => latencyMs.p99),
            1,
          ),
        ],
      ],
    },
    {
      columns: ["lag, records", "median", "most", "growth", "caught up ms"],
      rows: [
        [
          "once a second",
          whole(median(runs.flatMap(({ lag }) => lag))),
          whole(Math.max(...runs.flatMap(({ lag }) => lag))),
          fixed(
            of(({ lagGrowth }) => lagGrowth),
            2,
          ),
          whole(of(({ catchUpMs }) => catchUpMs)),
        ],
      ],
    },
    {
      columns: ["CPU µs an order", ...CPU_COLUMNS, "all"],
      rows: [
        [
          "all on this machine",
          ...cpu.map((us) => fixed(us, 1)),
          fixed(
            cpu.reduce((sum, us) => sum + us, 0),
            1,
          ),
        ],
      ],
    },
  ];
};
