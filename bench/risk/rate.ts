/** Order entry with and without risk, and with and without brackets, each pair in turns. */
import { say } from "../support/options.ts";
import { fixed, whole } from "../support/report.ts";
import { type Bench, type Measured, measure } from "./systems.ts";

export interface RateRound {
  readonly kind: "rate";
  readonly round: number;
  readonly none: Measured;
  readonly margin: Measured;
  /** Rate with margin ÷ rate without. */
  readonly ratio: number;
  readonly invalid: readonly string[];
}

export interface BracketRound {
  readonly kind: "bracket";
  readonly round: number;
  readonly plain: Measured;
  readonly bracket: Measured;
  /** Rate of plain orders ÷ rate of brackets. */
  readonly times: number;
  /** CPU time of the system for a bracket ÷ for a plain order. */
  readonly cpuTimes: number;
  readonly invalid: readonly string[];
}

/** After the first round the processes are warm, and a second of load before each run will do. */
const warmUpOf = ({ options }: Bench, round: number): number =>
  round === 1 ? options.warmUpSeconds : 1;

export const measureRate = async (bench: Bench, round: number): Promise<RateRound> => {
  const none = await measure(bench, "none", "plain", warmUpOf(bench, round));
  const margin = await measure(bench, "margin", "plain", warmUpOf(bench, round));
  const ratio = margin.load.perSecond / none.load.perSecond;
  say(
    `risk ${round}: ${whole(margin.load.perSecond)} orders/s with margin, ` +
      `${whole(none.load.perSecond)} without, ratio ${fixed(ratio, 3)}`,
  );
  const invalid = [...none.problems, ...margin.problems];
  return { kind: "rate", round, none, margin, ratio, invalid };
};

export const measureBracket = async (bench: Bench, round: number): Promise<BracketRound> => {
  const plain = await measure(bench, "margin", "plain", 1);
  const bracket = await measure(bench, "margin", "bracket", warmUpOf(bench, round));
  const times = plain.load.perSecond / bracket.load.perSecond;
  const cpuTimes = systemCpuUs(bracket) / systemCpuUs(plain);
  say(
    `bracket ${round}: ${whole(bracket.load.perSecond)} brackets/s, ` +
      `${whole(plain.load.perSecond)} plain orders/s, times ${fixed(times, 2)}`,
  );
  const invalid = [...plain.problems, ...bracket.problems];
  return { kind: "bracket", round, plain, bracket, times, cpuTimes, invalid };
};

/** Of all processes of the product, µs an order. */
export const systemCpuUs = ({ cpuUs }: Measured): number =>
  Object.entries(cpuUs).reduce((sum, [name, us]) => (name === "generator" ? sum : sum + us), 0);
