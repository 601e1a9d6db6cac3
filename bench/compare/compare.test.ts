import { describe, expect, test } from "bun:test";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BASE, type OrderEntryOptions } from "../order-entry/options.ts";
import type { OrdersRun } from "../order-entry/rate.ts";
import { type Builds, PAIRS, reportOf } from "./compare.ts";
import { compareFolders, isResultFolder, NO_PROOF } from "./folders.ts";
import type { Pair } from "./measures.ts";

const OPTIONS: OrderEntryOptions = {
  rounds: PAIRS,
  seconds: 1,
  warmUpSeconds: 1,
  connections: 200,
  quick: false,
  binary: undefined,
  settings: {},
  base: BASE,
  parts: ["base"],
  steps: ["closed"],
  peak: undefined,
  accounts: 1000,
  cpuProf: undefined,
};

const BUILDS: Builds = {
  a: { asked: "main", name: "0123456789", binary: "a" },
  b: { asked: ".", name: "the tree", binary: "b" },
};

const runOf = (perSecond: number, apiUs: number): OrdersRun => ({
  load: {
    generator: "wrk",
    requests: perSecond,
    seconds: 1,
    perSecond,
    refused: 0,
    shed: 0,
    lost: 0,
    latencyMs: { p50: 1, p90: 2, p99: 3, p999: 4, max: 5 },
    generatorCpuSeconds: 0.1,
  },
  problems: [],
  // The generator is no part of what is compared.
  cpuUs: { generator: perSecond, api: apiUs, shard: 20 },
  batchMean: 50,
  carriedShare: 1,
  lagRecords: null,
  catchUpMs: null,
});

/** A machine that slows down all the time, and a B that is `times` as fast as A on it. */
const pairsOf = (times: number, count = PAIRS): readonly Pair[] =>
  Array.from({ length: count }, (_, i) => ({
    round: i + 1,
    first: i % 2 === 0 ? "A" : "B",
    a: runOf(20_000 - 500 * i, 30),
    b: runOf((20_000 - 500 * i) * times, 30),
    invalid: [],
  }));

describe("a comparison of two programs", () => {
  test("names what got slower, and leaves the rest alone", () => {
    const { headlines, tables, warnings, name } = reportOf(BUILDS, OPTIONS, "base", pairsOf(0.9));
    expect(name).toBe("compare-0123456789-the-tree");
    expect(headlines.map(({ value, met }) => [value, met])).toEqual([
      ["× 0.900", false],
      ["× 1.000", true],
      ["× 1.000", true],
    ]);
    expect(headlines[0]?.what).toBe("orders/s of the tree for each of 0123456789: slower");
    expect(tables[0]?.rows.map((row) => row.at(-1))).toEqual([
      "slower",
      "no difference",
      "no difference",
    ]);
    expect(tables[1]?.rows).toHaveLength(PAIRS);
    expect(warnings).toEqual([]);
  });

  test("finds nothing between a program and itself", () => {
    const { headlines } = reportOf(BUILDS, OPTIONS, "base", pairsOf(1));
    expect(headlines.map(({ met }) => met)).toEqual([true, true, true]);
  });

  test("counts no pair in which a run is not valid, and says so", () => {
    const pairs = pairsOf(0.9).map((pair, i) =>
      i < 6 ? { ...pair, invalid: ["B: orders: 3 answers were no 201"] } : pair,
    );
    const { headlines, warnings } = reportOf(BUILDS, OPTIONS, "base", pairs);
    expect(headlines.map(({ met }) => met)).toEqual([null, null, null]);
    expect(warnings).toContain("pair 1 does not count: B: orders: 3 answers were no 201");
    expect(warnings.at(-1)).toContain("6 pairs cannot tell anything from noise");
  });
});

describe("two folders of results", () => {
  const withFolders = (work: (a: string, b: string) => void): void => {
    const folder = mkdtempSync(join(tmpdir(), "sluice-compare-"));
    try {
      const fixtures = join(import.meta.dir, "../report/fixtures");
      const [a, b] = [join(folder, "a"), join(folder, "b")];
      cpSync(fixtures, a, { recursive: true });
      mkdirSync(b);
      const report = JSON.parse(readFileSync(join(a, "order-entry.json"), "utf8"));
      report.headlines[0].value = "617.25 µs";
      writeFileSync(join(a, "order-entry.json"), JSON.stringify(report));
      report.headlines[0].value = "1 234.5 µs";
      report.conditions.connections = 50;
      writeFileSync(join(b, "order-entry.json"), JSON.stringify(report));
      work(a, b);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  };

  test("stand side by side with what differs, and prove nothing", () => {
    withFolders((a, b) => {
      expect([isResultFolder(a), isResultFolder("."), isResultFolder("HEAD")]).toEqual([
        true,
        false,
        false,
      ]);
      const lines = compareFolders(a, b);
      expect(lines[1]).toMatch(/^ {2}order-entry: \w.* 617\.25 µs {2}1 234\.5 µs {2,}2\.00$/);
      expect(lines.filter((line) => line.includes("group-commit"))).toEqual([]);
      expect(lines).toContain("  ! order-entry, connections: A 200, B 50");
      expect(lines.at(-1)).toBe(`  ! ${NO_PROOF}`);
    });
  });

  test("have to have the benchmark that is named", () => {
    withFolders((a, b) => {
      expect(() => compareFolders(a, b, "group-commit")).toThrow("do not both have group-commit");
    });
  });
});
