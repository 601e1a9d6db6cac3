/**
 * `bun run bench [name]`: every benchmark, or one. Each prints two headline numbers, then tables,
 * and keeps everything as JSON in `bench/results/`. See README.md for what is measured and how.
 */
import { dirname, relative, resolve } from "node:path";
import { Command, Option } from "commander";
import { RISK_MODES } from "../shards/domain/risk/types.ts";
import { EXIT, reasonOf, UsageError } from "../shards/process/failure.ts";
import { benchCompare } from "./compare/compare.ts";
import { compareFolders, isResultFolder } from "./compare/folders.ts";
import {
  type CompareFlags,
  common,
  compareOptions,
  type Flags,
  type OrderEntryFlags,
  type OutcomesFlags,
  orderEntryOptions,
  outcomesOptions,
  positive,
  type ReplicationFlags,
  type RetentionFlags,
  type RiskFlags,
  replicationOptions,
  retentionOptions,
  riskOptions,
  type StartFlags,
  setting,
  startOptions,
  type VersusFlags,
  versusOptions,
} from "./flags.ts";
import { benchGroupCommit } from "./group-commit/group-commit.ts";
import {
  ACKS,
  BATCHES,
  PARTS,
  REPLICATIONS,
  STEPS as STEPS_OF_ENTRY,
} from "./order-entry/options.ts";
import { benchOrderEntry } from "./order-entry/order-entry.ts";
import { benchOutcomes } from "./outcomes/outcomes.ts";
import { STEPS } from "./replication/options.ts";
import { benchReplication } from "./replication/replication.ts";
import { newestFolder } from "./report/saved.ts";
import { writeReport } from "./report/write.ts";
import { benchRetention } from "./retention/retention.ts";
import { benchRisk } from "./risk/risk.ts";
import { benchStart } from "./start/start.ts";
import { describeCommit } from "./support/machine.ts";
import { type BenchReport, printReport, saveReport } from "./support/report.ts";
import { servicesAreHere, WITHOUT_SERVICES } from "./support/services.ts";
import { benchVersus } from "./versus/versus.ts";

const commit = describeCommit();

const define = (
  parent: Command,
  name: string,
  description: string,
  command: { readonly isDefault?: boolean } = {},
): Command =>
  parent
    .command(name, command)
    .description(description)
    .option("--rounds <count>", "rounds, medians are over them (5)", positive)
    .option("--seconds <count>", "length of one measured run (5)", positive)
    .option("--warm-up <seconds>", "load before each measured run (3)", positive)
    .option("--connections <count>", "connections of the generator", positive, 200)
    .option("--quick", "a short look with small numbers, nothing to quote", false)
    .option("--no-save", "print only, write no file")
    .option("--binary <file>", "the compiled program instead of the source")
    .option("--set <SLUICE_X=value>", "a setting for the product, repeatable", setting, {});

/** `command` is the benchmark's own where the report is not named as it. */
const measure = async (
  flags: Flags,
  bench: () => Promise<BenchReport>,
  command?: string,
): Promise<BenchReport> => {
  const startedAt = new Date();
  const report = await bench();
  printReport(report);
  if (!flags.save) return report;
  const name = command ?? report.name;
  const about = program.commands.find((one) => one.name() === name)?.description() ?? "";
  const file = saveReport(report, { startedAt, commit, about, quick: flags.quick });
  console.log(`\n  ${relative(".", file)}`);
  await writePage(dirname(file));
  return report;
};

const perform = async (flags: Flags, bench: () => Promise<BenchReport>): Promise<void> => {
  await measure(flags, bench);
};

const writePage = async (folder: string): Promise<void> => {
  const { page, drawings } = await writeReport(folder);
  for (const file of [page, ...drawings]) console.log(`  ${relative(".", file)}`);
};

const program = new Command("bench").description("what Sluice does, against what it could do");

define(program, "order-entry", "durable acks against a bare echo; offered rates; overload")
  .addOption(new Option("--step <step...>", "only these steps").choices(STEPS_OF_ENTRY))
  .addOption(new Option("--part <row...>", "only these rows of the closed loop").choices(PARTS))
  .addOption(new Option("--batch <orders>", "of the base case").choices(BATCHES.map(String)))
  .addOption(new Option("--risk <mode>", "of the base case").choices(RISK_MODES))
  .addOption(new Option("--replication <way>", "of the base case").choices(REPLICATIONS))
  .addOption(new Option("--ack <level>", "of the base case").choices(ACKS))
  .option("--peak <perSecond>", "taken for the closed loop's", positive)
  .option("--accounts <count>", "accounts that trade (1,000)", positive)
  .addOption(
    new Option("--cpu-prof <process>", "run it under bun --cpu-prof").choices([
      "api",
      "shard1",
      "applier",
    ]),
  )
  .action((flags: OrderEntryFlags) =>
    perform(flags, () => benchOrderEntry(orderEntryOptions(flags))),
  );

define(program, "group-commit", "the writer without HTTP against raw prepared inserts").action(
  (flags: Flags) => perform(flags, () => benchGroupCommit(common(flags))),
);

define(program, "outcomes", "the rate with 10,000,000 outcomes stored; stalls at half rate")
  .option("--outcomes <count>", "stored outcomes (10,000,000)", positive)
  .option("--stall-seconds <count>", "length of the run that looks for stalls (300)", positive)
  .action((flags: OutcomesFlags) => perform(flags, () => benchOutcomes(outcomesOptions(flags))));

define(program, "start", "time until a full shard serves; memory over 2,000,000 orders")
  .option("--stored <count>", "orders in the file that is started (1,000,000)", positive)
  .option("--memory-orders <count>", "orders while memory is watched (2,000,000)", positive)
  .action((flags: StartFlags) => perform(flags, () => benchStart(startOptions(flags))));

define(program, "replication", "the way through broker and MySQL against a bare echo; its faults")
  .addOption(new Option("--step <step>", "only this step").choices(STEPS))
  .option("--long-seconds <count>", "length of the run that watches the lag, and outage", positive)
  .option("--records <count>", "records for the applier's own rate (300,000)", positive)
  .action((flags: ReplicationFlags) =>
    perform(flags, () => benchReplication(replicationOptions(flags))),
  );

define(program, "risk", "the rate with margin against none; decide, grants, brackets")
  .option("--accounts <count>", "accounts that trade (10,000)", positive)
  .option("--per-second <count>", "orders a second while some wait for a grant (1,000)", positive)
  .addOption(
    new Option("--cpu-prof <process>", "of the system with margin, under bun --cpu-prof").choices([
      "api",
      "shard1",
      "shard2",
      "shard3",
      "applier",
    ]),
  )
  .action((flags: RiskFlags) => perform(flags, () => benchRisk(riskOptions(flags))));

define(program, "retention", "the size of a shard's file while 5,000,000 orders come and go")
  .option("--orders <count>", "orders (5,000,000)", positive)
  .action((flags: RetentionFlags) => perform(flags, () => benchRetention(retentionOptions(flags))));

define(program, "versus", "the predecessor, rebuilt, and Sluice: one scenario, the same services")
  .option("--accounts <count>", "accounts that trade (10,000)", positive)
  .action((flags: VersusFlags) => perform(flags, () => benchVersus(versusOptions(flags))));

program
  .command("report")
  .description("makes the page of a folder of results again")
  .argument("[folder]", "a folder of bench/results (the newest)")
  .action((folder?: string) => writePage(folder === undefined ? newestFolder() : resolve(folder)));

const compare = async (
  a: string,
  b: string,
  name: string | undefined,
  flags: CompareFlags,
): Promise<void> => {
  if (isResultFolder(a) && isResultFolder(b)) {
    console.log(`\n${compareFolders(a, b, name).join("\n")}`);
    return;
  }
  if (name !== undefined && name !== "order-entry") {
    throw new UsageError(
      `${name} measures this checkout's own code: order-entry compares programs.`,
    );
  }
  const bench = () => benchCompare(a, b, compareOptions(flags), flags.part);
  const { headlines } = await measure(flags, bench, "compare");
  if (headlines.some(({ met }) => met === false)) process.exitCode = EXIT.problemFound;
};

define(program, "compare", "two programs in turns: what of B is slower than A beyond noise")
  .argument("<A>", "a git revision, `.` for the tree as it is, a program, or a folder of results")
  .argument("<B>", "the same")
  .argument("[name]", "a benchmark: order-entry, or any of two folders of results")
  .addOption(new Option("--part <part>", "of order-entry").choices(PARTS).default("base"))
  .action(compare);

interface Entry {
  readonly name: string;
  readonly bench: () => Promise<BenchReport>;
  /** A broker and a MySQL of its own: without those programs a quick look leaves it out. */
  readonly onServices?: boolean;
}

const everything = (flags: Flags): readonly Entry[] => [
  {
    name: "order-entry",
    bench: () => benchOrderEntry(orderEntryOptions(flags)),
  },
  { name: "group-commit", bench: () => benchGroupCommit(common(flags)) },
  { name: "risk", bench: () => benchRisk(riskOptions(flags)) },
  {
    name: "replication",
    bench: () => benchReplication(replicationOptions(flags)),
    onServices: true,
  },
  { name: "versus", bench: () => benchVersus(versusOptions(flags)), onServices: true },
  { name: "outcomes", bench: () => benchOutcomes(outcomesOptions(flags)) },
  { name: "retention", bench: () => benchRetention(retentionOptions(flags)) },
  { name: "start", bench: () => benchStart(startOptions(flags)) },
];

/** One that cannot run keeps no other from running; the exit code says so at the end. */
define(program, "all", "every benchmark, one after the other", { isDefault: true }).action(
  async (flags: Flags) => {
    const failed: string[] = [];
    for (const { name, bench, onServices } of everything(flags)) {
      if (flags.quick && onServices === true && !servicesAreHere()) {
        console.log(`\n${name}\n  left out: ${WITHOUT_SERVICES}`);
        continue;
      }
      try {
        await perform(flags, bench);
      } catch (error) {
        console.error(`\n${name} did not come to its end: ${reasonOf(error)}`);
        failed.push(name);
      }
    }
    if (failed.length === 0) return;
    console.error(`\nno numbers of: ${failed.join(", ")}`);
    process.exitCode = EXIT.problemFound;
  },
);

process.on("SIGINT", () => process.exit(EXIT.problemFound));
process.on("SIGTERM", () => process.exit(EXIT.problemFound));
try {
  await program.parseAsync();
  process.exit();
} catch (error) {
  console.error(error instanceof UsageError ? error.message : error);
  process.exit(error instanceof UsageError ? EXIT.wrongUse : EXIT.problemFound);
}
