/**
 * `bun run bench [name]`: every benchmark, or one. Each prints two headline numbers, then tables,
 * and keeps everything as JSON in `bench/results/`. See README.md for what is measured and how.
 */
import { Command, InvalidArgumentError, Option } from "commander";
import { EXIT, UsageError } from "../shards/process/failure.ts";
import { benchGroupCommit } from "./group-commit/group-commit.ts";
import { type OrderEntryOptions, PARTS, type Part } from "./order-entry/options.ts";
import { benchOrderEntry } from "./order-entry/order-entry.ts";
import type { BenchOptions } from "./support/options.ts";
import { type BenchReport, printReport, saveReport } from "./support/report.ts";
import type { ProcessName } from "./system/system.ts";

interface Flags {
  readonly rounds?: number;
  readonly seconds?: number;
  readonly warmUp?: number;
  readonly connections: number;
  readonly quick: boolean;
  readonly save: boolean;
  readonly binary?: string;
  readonly set: Readonly<Record<string, string>>;
}

const positive = (text: string): number => {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("expected a whole number from 1 up.");
};

const setting = (
  text: string,
  before: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> => {
  const [, name, value] = /^(SLUICE_[A-Z0-9_]+)=(.*)$/.exec(text) ?? [];
  if (name === undefined || value === undefined) {
    throw new InvalidArgumentError("expected SLUICE_NAME=VALUE.");
  }
  return { ...before, [name]: value };
};

const define = (program: Command, name: string, description: string): Command =>
  program
    .command(name)
    .description(description)
    .option("--rounds <count>", "rounds, medians are over them (5)", positive)
    .option("--seconds <count>", "length of one measured run (5)", positive)
    .option("--warm-up <seconds>", "load before each measured run (3)", positive)
    .option("--connections <count>", "connections of the generator", positive, 200)
    .option("--quick", "a short look with small numbers, nothing to quote", false)
    .option("--no-save", "print only, write no file")
    .option("--binary <file>", "the compiled program instead of the source")
    .option("--set <SLUICE_X=value>", "a setting for the product, repeatable", setting, {});

const common = (flags: Flags): BenchOptions => ({
  rounds: flags.rounds ?? (flags.quick ? 1 : 5),
  seconds: flags.seconds ?? (flags.quick ? 2 : 5),
  warmUpSeconds: flags.warmUp ?? (flags.quick ? 1 : 3),
  connections: flags.connections,
  quick: flags.quick,
  binary: flags.binary,
  settings: flags.set,
});

const perform = async (flags: Flags, bench: () => Promise<BenchReport>): Promise<void> => {
  const startedAt = new Date();
  const report = await bench();
  printReport(report);
  if (flags.save) console.log(`\n  ${saveReport(report, startedAt)}`);
};

interface OrderEntryFlags extends Flags {
  readonly part?: Part;
  readonly latency: boolean;
  readonly latencyAt?: number;
  readonly cpuProf?: ProcessName;
}

const orderEntryOptions = (flags: OrderEntryFlags): OrderEntryOptions => ({
  ...common(flags),
  parts: flags.part === undefined ? PARTS : [flags.part],
  latency: flags.latency,
  latencyAt: flags.latencyAt,
  cpuProf: flags.cpuProf,
});

const program = new Command("bench").description("what Sluice does, against what it could do");

define(program, "order-entry", "durable acks a second against a bare echo; p99 at half rate")
  .addOption(new Option("--part <part>", "only this part").choices(PARTS))
  .option("--no-latency", "rates only")
  .option("--latency-at <perSecond>", "times at this rate only, no peak", positive)
  .addOption(
    new Option("--cpu-prof <process>", "run it under bun --cpu-prof").choices([
      "api",
      "shard",
      "applier",
    ]),
  )
  .action((flags: OrderEntryFlags) =>
    perform(flags, () => benchOrderEntry(orderEntryOptions(flags))),
  );

define(program, "group-commit", "the writer without HTTP against raw prepared inserts").action(
  (flags: Flags) => perform(flags, () => benchGroupCommit(common(flags))),
);

try {
  await program.parseAsync();
  process.exit();
} catch (error) {
  console.error(error instanceof UsageError ? error.message : error);
  process.exit(error instanceof UsageError ? EXIT.wrongUse : EXIT.problemFound);
}
