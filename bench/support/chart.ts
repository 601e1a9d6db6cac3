/** Drawings as data: a benchmark says what it draws, and the page knows no benchmark. */
import type { Latency } from "./statistics.ts";

/**
 * `lines`: over numbers, or over names in the order in which they come. `bars`: a bar for each
 * series at each name. `stack`: a lying bar for each name, made of the series one after the other.
 */
export const CHART_KINDS = ["lines", "bars", "stack"] as const;
export type ChartKind = (typeof CHART_KINDS)[number];

export interface Axis {
  readonly label: string;
  /** `ms`, `orders/s`; left out where the axis has names or plain counts. */
  readonly unit?: string;
  /** Linear when left out. On `log` what is not above zero is not drawn. */
  readonly scale?: "linear" | "log";
}

/** One place: a number or a name along x, what was measured there along y; null for nothing. */
export type Point = readonly [x: number | string, y: number | null];

export interface Series {
  readonly name: string;
  readonly points: readonly Point[];
}

/** A line across at one value of y: a target, a limit. */
export interface Mark {
  readonly label: string;
  readonly at: number;
}

export interface Chart {
  /** One within its report; lower case and hyphens, because the file of the drawing has it. */
  readonly id: string;
  readonly title: string;
  /** What is to be seen, for those who read it and those who cannot see it. */
  readonly caption: string;
  readonly kind: ChartKind;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  readonly marks?: readonly Mark[];
  /** Also written as an SVG file of its own, for other documents. */
  readonly isMain?: boolean;
}

const PERCENTILES = [
  ["p50", "p50"],
  ["p90", "p90"],
  ["p99", "p99"],
  ["p99.9", "p999"],
  ["most", "max"],
] as const satisfies readonly (readonly [string, keyof Latency])[];

/** The distribution of one run's times, ms. */
export const latencySeries = (name: string, latency: Latency): Series => ({
  name,
  points: PERCENTILES.map(([label, key]) => [label, latency[key]]),
});

/** The axes of a chart of {@link latencySeries}. */
export const LATENCY_AXES = {
  x: { label: "share of the answers that took no longer" },
  y: { label: "time", unit: "ms", scale: "log" },
} as const satisfies Pick<Chart, "x" | "y">;

/** CPU time by station: a lying bar for each of `bars`, µs for each of `stations` it has. */
export const cpuChart = (
  about: Pick<Chart, "title" | "caption" | "isMain">,
  each: string,
  stations: readonly string[],
  bars: readonly (readonly [name: string, us: Readonly<Record<string, number | undefined>>])[],
): Chart => ({
  id: "cpu",
  ...about,
  kind: "stack",
  x: { label: each },
  y: { label: "CPU time an order", unit: "µs" },
  series: stations
    .map((station) => ({
      name: station,
      points: bars.map(([name, us]): Point => [name, us[station] ?? null]),
    }))
    .filter(({ points }) => points.some(([, us]) => us !== null)),
});
