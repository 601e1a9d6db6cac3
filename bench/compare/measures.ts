/** What is compared of one run of order entry on one program. */

import type { OrdersBench } from "../order-entry/entry-system.ts";
import type { Row } from "../order-entry/options.ts";
import { measureOrders, type OrdersRun } from "../order-entry/rate.ts";
import { fixed, whole } from "../support/report.ts";
import type { Better } from "./statistics.ts";

export interface Measure {
  readonly name: string;
  readonly better: Better;
  readonly read: (run: OrdersRun) => number;
  readonly show: (value: number) => string;
}

export const MEASURES: readonly Measure[] = [
  {
    name: "orders/s",
    better: "higher",
    read: ({ load }) => load.perSecond,
    show: whole,
  },
  {
    name: "CPU µs an order",
    better: "lower",
    // The product's processes: the generator is the same one on both sides.
    read: ({ cpuUs }) =>
      Object.entries(cpuUs).reduce((sum, [name, us]) => (name === "generator" ? sum : sum + us), 0),
    show: (value) => fixed(value, 1),
  },
  {
    name: "p99 ms, closed loop",
    better: "lower",
    read: ({ load }) => load.latencyMs.p99,
    show: (value) => fixed(value, 1),
  },
];

/** A run of each program, one right after the other. */
export interface Pair {
  readonly round: number;
  readonly first: "A" | "B";
  readonly a: OrdersRun;
  readonly b: OrdersRun;
  /** Why it does not count; empty when it does. */
  readonly invalid: readonly string[];
}

/** Who is first changes from pair to pair, so that being second is no handicap. */
export const measurePair = async (
  benches: { readonly a: OrdersBench; readonly b: OrdersBench },
  row: Row,
  round: number,
): Promise<Pair> => {
  const runs: { a?: OrdersRun; b?: OrdersRun } = {};
  const order = round % 2 === 1 ? (["a", "b"] as const) : (["b", "a"] as const);
  for (const side of order) runs[side] = await measureOrders(benches[side], row);
  const { a, b } = runs as { a: OrdersRun; b: OrdersRun };
  return {
    round,
    first: round % 2 === 1 ? "A" : "B",
    a,
    b,
    invalid: [
      ...a.problems.map((problem) => `A: ${problem}`),
      ...b.problems.map((problem) => `B: ${problem}`),
    ],
  };
};
