/**
 * Single requests beside a load, each at its time whatever became of the ones before and counted
 * from then. Few enough that they are no load themselves; this process's own delay is inside.
 */
import { type LatencyWithP95, latencyOf } from "../support/statistics.ts";

export interface ProbeOptions {
  readonly perSecond: number;
  /** Not recorded. */
  readonly warmUpSeconds: number;
  readonly seconds: number;
  /** Request `number`, from 0: gives the answer's status. */
  readonly send: (number: number) => Promise<number>;
}

export interface Probes {
  readonly answers: number;
  /** Answers by status. */
  readonly statuses: Readonly<Record<string, number>>;
  /** No answer at all. */
  readonly lost: number;
  /** Of answers with 200 or 201. */
  readonly latencyMs: LatencyWithP95;
}

export const requestsOf = ({
  perSecond,
  warmUpSeconds,
  seconds,
}: Pick<ProbeOptions, "perSecond" | "warmUpSeconds" | "seconds">): number =>
  Math.floor(perSecond * (warmUpSeconds + seconds));

/** Sends all and resolves when each has its answer. */
export const runProbe = async (options: ProbeOptions): Promise<Probes> => {
  const { perSecond, warmUpSeconds, send } = options;
  const statuses: Record<string, number> = {};
  const times: number[] = [];
  let lost = 0;
  const start = performance.now();
  const one = async (number: number, dueMs: number): Promise<void> => {
    const status = await send(number).catch(() => 0);
    const ms = performance.now() - start - dueMs;
    if (dueMs < warmUpSeconds * 1000) return;
    if (status === 0) lost++;
    else statuses[status] = (statuses[status] ?? 0) + 1;
    if (status === 200 || status === 201) times.push(ms);
  };
  const sent: Promise<void>[] = [];
  for (let number = 0; number < requestsOf(options); number++) {
    const dueMs = (number * 1000) / perSecond;
    const wait = start + dueMs - performance.now();
    if (wait > 0) await Bun.sleep(wait);
    sent.push(one(number, dueMs));
  }
  await Promise.all(sent);
  const answers = Object.values(statuses).reduce((sum, count) => sum + count, 0);
  return { answers, statuses, lost, latencyMs: latencyOf(Float64Array.from(times)) };
};
