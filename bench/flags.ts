/** What the command line of `run.ts` takes, and what each benchmark is told of it. */
import { resolve } from "node:path";
import { InvalidArgumentError } from "commander";
import type { RiskMode } from "../shards/domain/risk/types.ts";
import { UsageError } from "../shards/process/failure.ts";
import { PAIRS, QUICK_PAIRS } from "./compare/compare.ts";
import {
  type Ack,
  BASE,
  BATCHES,
  STEPS as ENTRY_STEPS,
  type Step as EntryStep,
  isPossible,
  type OrderEntryOptions,
  PARTS,
  type Part,
  QUICK_PARTS,
  type Replication,
  type Row,
  rowOf,
} from "./order-entry/options.ts";
import type { OutcomesOptions } from "./outcomes/options.ts";
import { type ReplicationOptions, STEPS, type Step } from "./replication/options.ts";
import type { RetentionOptions } from "./retention/retention.ts";
import type { RiskOptions } from "./risk/options.ts";
import type { StartOptions } from "./start/options.ts";
import type { BenchOptions } from "./support/options.ts";
import type { ProcessName } from "./system/system.ts";
import type { VersusOptions } from "./versus/options.ts";

export interface Flags {
  readonly rounds?: number;
  readonly seconds?: number;
  readonly warmUp?: number;
  readonly connections: number;
  readonly quick: boolean;
  readonly save: boolean;
  readonly binary?: string;
  readonly set: Readonly<Record<string, string>>;
}

export const positive = (text: string): number => {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("expected a whole number from 1 up.");
};

export const setting = (
  text: string,
  before: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> => {
  const [, name, value] = /^(SLUICE_[A-Z0-9_]+)=(.*)$/.exec(text) ?? [];
  if (name === undefined || value === undefined) {
    throw new InvalidArgumentError("expected SLUICE_NAME=VALUE.");
  }
  return { ...before, [name]: value };
};

export const common = (flags: Flags): BenchOptions => ({
  rounds: flags.rounds ?? (flags.quick ? 1 : 5),
  seconds: flags.seconds ?? (flags.quick ? 2 : 5),
  warmUpSeconds: flags.warmUp ?? (flags.quick ? 1 : 3),
  connections: flags.connections,
  quick: flags.quick,
  binary: flags.binary === undefined ? undefined : resolve(flags.binary),
  settings: flags.set,
});

export interface OrderEntryFlags extends Flags {
  readonly part?: readonly Part[];
  readonly step?: readonly EntryStep[];
  readonly batch?: string;
  readonly risk?: RiskMode;
  readonly replication?: Replication;
  readonly ack?: Ack;
  readonly peak?: number;
  readonly accounts?: number;
  readonly cpuProf?: ProcessName;
}

export const orderEntryOptions = (flags: OrderEntryFlags): OrderEntryOptions => {
  const base = baseOf(flags);
  const steps = flags.step ?? ENTRY_STEPS;
  if (!isPossible(base)) {
    throw new UsageError(`--ack ${base.ack} needs replication: leave --replication off out.`);
  }
  if (base.batch > 1 && steps.some((step) => step !== "closed")) {
    throw new UsageError(`--batch ${base.batch} is for the closed loop: add --step closed.`);
  }
  return {
    ...common(flags),
    base,
    parts: (flags.part ?? (flags.quick ? QUICK_PARTS : PARTS)).filter(
      (part) => part === "base" || !isSame(rowOf(part, base), base),
    ),
    steps,
    peak: flags.peak,
    seconds: flags.seconds ?? (flags.quick ? 1 : 5),
    accounts: flags.accounts ?? (flags.quick ? 200 : 1000),
    cpuProf: profiled(flags),
  };
};

const baseOf = ({ connections, batch, risk, replication, ack }: OrderEntryFlags): Row => ({
  connections,
  batch: BATCHES.find((size) => String(size) === batch) ?? BASE.batch,
  risk: risk ?? BASE.risk,
  replication: replication ?? BASE.replication,
  ack: ack ?? BASE.ack,
});

/** The row changes what the base case was given to be. */
const isSame = (a: Row, b: Row): boolean =>
  Object.entries(a).every(([name, value]) => value === b[name as keyof Row]);

const profiled = ({
  binary,
  cpuProf,
}: Pick<OrderEntryFlags, "binary" | "cpuProf">): ProcessName | undefined => {
  if (binary === undefined || cpuProf === undefined) return cpuProf;
  throw new UsageError(`--cpu-prof ${cpuProf} needs the source: leave --binary ${binary} out.`);
};

export interface OutcomesFlags extends Flags {
  readonly outcomes?: number;
  readonly stallSeconds?: number;
}

export const outcomesOptions = (flags: OutcomesFlags): OutcomesOptions => ({
  ...common(flags),
  outcomes: flags.outcomes ?? (flags.quick ? 100_000 : 10_000_000),
  stallSeconds: flags.stallSeconds ?? (flags.quick ? 5 : 300),
});

export interface ReplicationFlags extends Flags {
  readonly step?: Step;
  readonly longSeconds?: number;
  readonly records?: number;
}

/** A quick look at all of them would take minutes: the broker is started again in two. */
const QUICK_STEPS: readonly Step[] = ["sustained", "visible"];

const stepsOf = ({ step, quick }: ReplicationFlags): readonly Step[] => {
  if (step !== undefined) return [step];
  return quick ? QUICK_STEPS : STEPS;
};

export const replicationOptions = (flags: ReplicationFlags): ReplicationOptions => ({
  ...common(flags),
  steps: stepsOf(flags),
  longSeconds: flags.longSeconds ?? (flags.quick ? 5 : 60),
  records: flags.records ?? (flags.quick ? 20_000 : 300_000),
});

export interface StartFlags extends Flags {
  readonly stored?: number;
  readonly memoryOrders?: number;
}

export const startOptions = (flags: StartFlags): StartOptions => ({
  ...common(flags),
  storedOrders: flags.stored ?? (flags.quick ? 100_000 : 1_000_000),
  memoryOrders: flags.memoryOrders ?? (flags.quick ? 50_000 : 2_000_000),
});

export interface RiskFlags extends Flags {
  readonly accounts?: number;
  readonly perSecond?: number;
  readonly cpuProf?: ProcessName;
}

export const riskOptions = (flags: RiskFlags): RiskOptions => ({
  ...common(flags),
  accounts: flags.accounts ?? (flags.quick ? 500 : 10_000),
  perSecond: flags.perSecond ?? (flags.quick ? 200 : 1000),
  cpuProf: profiled(flags),
});

export interface RetentionFlags extends Flags {
  readonly orders?: number;
}

export const retentionOptions = (flags: RetentionFlags): RetentionOptions => ({
  ...common(flags),
  orders: flags.orders ?? (flags.quick ? 100_000 : 5_000_000),
});

export interface VersusFlags extends Flags {
  readonly accounts?: number;
}

export const versusOptions = (flags: VersusFlags): VersusOptions => ({
  ...common(flags),
  rounds: flags.rounds ?? (flags.quick ? 1 : 3),
  seconds: flags.seconds ?? (flags.quick ? 2 : 10),
  warmUpSeconds: flags.warmUp ?? (flags.quick ? 2 : 10),
  accounts: flags.accounts ?? (flags.quick ? 500 : 10_000),
});

export interface CompareFlags extends Flags {
  readonly part: Part;
}

export const compareOptions = ({ part, ...flags }: CompareFlags): OrderEntryOptions => ({
  ...orderEntryOptions({ ...flags, part: [part], step: ["closed"] }),
  rounds: flags.rounds ?? (flags.quick ? QUICK_PAIRS : PAIRS),
});
