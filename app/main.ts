/**
 * The command line. Each command is one function of `commands/`; here are their names, flags and
 * help, and how a failure becomes an exit code: 2 with a sentence for wrong use, 70 for a broken
 * invariant. A command's code is loaded when it is called, so that each process starts quickly.
 */
import { Command, CommanderError } from "commander";
import packageJson from "../package.json" with { type: "json" };
import {
  BrokenInvariant,
  EXIT,
  OperatingError,
  reasonOf,
  UsageError,
} from "../shards/process/failure.ts";
import { type LoadedConfig, loadConfig, type SettingFlags } from "./config.ts";

type Flags = SettingFlags & { readonly config?: string };

/** The settings among a command's flags. */
const load = (
  { config: file, ...flags }: Flags,
  keys: readonly (keyof SettingFlags)[],
): LoadedConfig =>
  loadConfig({ file, flags: Object.fromEntries(keys.map((key) => [key, flags[key]])) });

const API_FLAG = "the api; default: SLUICE_HOST and SLUICE_PORT on this machine";
const TOKEN_FLAG = "a token with the scope admin; default: signed with the secret";
type ApiFlags = Flags & { readonly api?: string; readonly token?: string };

const settingFlags = {
  port: ["--port <number>", "where clients connect; 0 takes a free port"],
  host: ["--host <host>", "the address that clients connect to"],
  dataDir: ["--data-dir <folder>", "shard files, the central store, imported instruments"],
  shardListen: ["--shard-listen <host:port>", "where the api connects to this shard"],
  applierListen: ["--applier-listen <host:port>", "where the shards connect to the applier"],
  applierUrl: ["--applier-url <url>", "where the applier listens: ws://HOST:PORT"],
  logLevel: ["--log-level <level>", "debug, info, warn, error or silent"],
} as const satisfies Partial<Record<keyof SettingFlags, readonly [string, string]>>;
type SettingFlag = keyof typeof settingFlags;

/** A command with `--config` and the settings it takes as flags. */
const define = (
  parent: Command,
  usage: string,
  description: string,
  flags: readonly SettingFlag[],
): Command => {
  const command = parent.command(usage).description(description);
  command.option("--config <file>", "settings as YAML; flags and environment go before it");
  for (const flag of flags) {
    const [name, help] = settingFlags[flag];
    command.option(name, help);
  }
  return command;
};

const servingCommands = (program: Command): void => {
  const devFlags = ["port", "host", "dataDir", "logLevel"] as const;
  define(program, "dev", "everything on this machine, one process for each part", devFlags)
    .option("--new-epoch <shard...>", "start these shards anew although their file is lost")
    .option("--match", "match the orders with the paper engine (default)")
    .option("--no-match", "leave that to an engine of yours")
    .action(async (flags: Flags & { newEpoch?: readonly string[]; match?: boolean }) => {
      const { runDev } = await import("./commands/dev.ts");
      const { newEpoch = [], match = true } = flags;
      process.exitCode = await runDev(load(flags, devFlags), { newEpoch, match });
    });

  const apiFlags = ["port", "host", "dataDir", "logLevel"] as const;
  define(program, "api", "the HTTP edge: one process of a deployment", apiFlags).action(
    async (flags: Flags) => {
      const { serveApi } = await import("./commands/api.ts");
      await serveApi(load(flags, apiFlags).config);
    },
  );

  const shardFlags = ["shardListen", "applierUrl", "dataDir", "logLevel"] as const;
  define(program, "shard", "the writer of one shard: one process of a deployment", shardFlags)
    .requiredOption("--shard <name>", "a shard of the setting sharding")
    .option("--new-epoch", "start anew although the file is lost; says what is lost", false)
    .action(async (flags: Flags & { readonly shard: string; readonly newEpoch: boolean }) => {
      const { serveShard } = await import("./commands/shard.ts");
      await serveShard(load(flags, shardFlags).config, flags);
    });

  const applierFlags = ["applierListen", "dataDir", "logLevel"] as const;
  define(
    program,
    "applier",
    "writes the central store: one process of a deployment",
    applierFlags,
  ).action(async (flags: Flags) => {
    const { serveApplier } = await import("./commands/applier.ts");
    await serveApplier(load(flags, applierFlags).config);
  });
};

const venueCommands = (program: Command): void => {
  define(program, "match", "a paper matching engine, beside the shards' files", [
    "dataDir",
    "logLevel",
  ])
    .option("--api <url>", API_FLAG)
    .option("--token <token>", TOKEN_FLAG)
    .action(async (flags: ApiFlags) => {
      const { serveMatch } = await import("./commands/match.ts");
      await serveMatch(load(flags, ["dataDir", "logLevel"]).config, flags);
    });
};

const orderCommands = (program: Command): void => {
  define(program, "token", "prints a token signed with the configured secret, or dev's", [
    "dataDir",
  ])
    .requiredOption("--account <id>", "the account that the token is for")
    .option("--scope <scopes>", "some of read, trade, admin", "read trade")
    .option("--ttl <duration>", "how long it is valid", "1h")
    .action(async (flags: Flags & { account: string; scope: string; ttl: string }) => {
      const { tokenText } = await import("./commands/token.ts");
      console.log(await tokenText(load(flags, ["dataDir"]).config, flags));
    });

  define(program, "replay <file>", "sends a recorded tape as orders", ["dataDir"])
    .addHelpText("after", "\nA tape is CSV: ts_ms,symbol,side,price,quantity. Repeating is safe.")
    .option("--speed <speed>", "max, or 1 for the tape's own times", "max")
    .option("--accounts <count>", "accounts 1 to N take turns", "1")
    .option("--connections <count>", "requests at a time", "64")
    .option("--url <url>", "the server; default: SLUICE_HOST and SLUICE_PORT on this machine")
    .action(async (file: string, flags: Flags & ReplayFlags) => {
      const { runReplay } = await import("./commands/replay/command.ts");
      process.exitCode = await runReplay(load(flags, ["dataDir"]).config, { file, ...flags });
    });
};

interface ReplayFlags {
  readonly speed: string;
  readonly accounts: string;
  readonly connections: string;
  readonly url?: string;
}

const replicationCommands = (program: Command): void => {
  define(program, "resend", "sends everything again that central lacks of a shard", ["dataDir"])
    .requiredOption("--shard <name>", "a shard of the setting sharding")
    .option("--api <url>", API_FLAG)
    .option("--token <token>", TOKEN_FLAG)
    .action(async (flags: ApiFlags & { readonly shard: string }) => {
      const { runResend } = await import("./commands/resend.ts");
      process.exitCode = await runResend(load(flags, ["dataDir"]).config, flags);
    });

  const partitions = program.command("partitions").description("how records are spread");
  define(partitions, "raise <count>", "raises topic and shards while they serve", ["dataDir"])
    .addHelpText("after", "\nRepeating finishes what was left. Partitions are never lowered.")
    .option("--api <url>", API_FLAG)
    .option("--token <token>", TOKEN_FLAG)
    .action(async (count: string, flags: ApiFlags) => {
      const { runPartitionsRaise } = await import("./commands/partitions.ts");
      process.exitCode = await runPartitionsRaise(load(flags, ["dataDir"]).config, count, flags);
    });
};

interface VerifyFlags {
  readonly shard?: readonly string[];
  readonly resume: boolean;
  readonly differences: string;
  readonly json: boolean;
}

interface RestoreFlags {
  readonly shard: string;
  readonly wait: string;
  readonly json: boolean;
}

const operatorCommands = (program: Command): void => {
  const instruments = program.command("instruments").description("what can be traded");
  define(instruments, "import <files...>", "takes an exchange's instrument files", ["dataDir"])
    .option("--out <file>", "write there instead of the data folder")
    .action(async (files: readonly string[], flags: Flags & { readonly out?: string }) => {
      const { importInstruments } = await import("./commands/instruments.ts");
      const { dataDir } = load(flags, ["dataDir"]).config;
      for (const line of importInstruments(files, { dataDir, out: flags.out })) console.log(line);
    });

  define(program, "verify", "compares shard files with central while both are in use", ["dataDir"])
    .addHelpText("after", "\nExits with 0 when they are the same, 1 with the first differences.")
    .option(
      "--shard <name...>",
      "shards whose file is here; all of the setting sharding if left out",
    )
    .option("--resume", "go on behind what an earlier run found the same", false)
    .option("--differences <count>", "how many are printed", "20")
    .option("--json", "one JSON document", false)
    .action(async (flags: Flags & VerifyFlags) => {
      const { verify } = await import("./commands/verify.ts");
      process.exitCode = await verify(load(flags, ["dataDir"]).config, flags);
    });

  define(program, "restore", "makes a lost shard's file anew from central, in a new epoch", [
    "dataDir",
    "applierUrl",
  ])
    .addHelpText("after", "\nSays exactly what cannot be known. Overwrites no file.")
    .requiredOption("--shard <name>", "the shard whose file is lost; it must not run")
    .option("--wait <duration>", "for central to read what the topic still holds", "60s")
    .option("--json", "one JSON document", false)
    .action(async (flags: Flags & RestoreFlags) => {
      const { restore } = await import("./commands/restore.ts");
      process.exitCode = await restore(load(flags, ["dataDir", "applierUrl"]).config, flags);
    });

  define(program, "migrate", "brings the central store to this version's tables", ["dataDir"])
    .addHelpText("after", "\nA shard's file is brought to this version when its shard starts.")
    .option("--central-from <folder>", "move an embedded central store to MYSQL_URL")
    .action(async (flags: Flags & { readonly centralFrom?: string }) => {
      const { migrate } = await import("./commands/migrate.ts");
      console.log(await migrate(load(flags, ["dataDir"]).config, flags.centralFrom));
    });

  const all = Object.keys(settingFlags) as SettingFlag[];
  define(program, "config", "prints the effective settings and who gave each", all).action(
    async (flags: Flags) => {
      const { renderConfig } = await import("./commands/config.ts");
      process.stdout.write(renderConfig(load(flags, all).effective));
    },
  );
};

const findingCommands = (program: Command): void => {
  define(program, "doctor", "finds what is wrong or will be, and says how to put it right", [
    "port",
    "host",
    "dataDir",
    "applierUrl",
  ])
    .addHelpText("after", "\nExit code 1: there is a problem. docs/DOCTOR.md lists all of them.")
    .option("--api <url>", "the api; default: SLUICE_HOST and SLUICE_PORT on this machine")
    .option("--token <token>", "of scope admin; default: signed with the configured secret")
    .option("--json", "for programs", false)
    .action(async (flags: Flags & { api?: string; token?: string; json: boolean }) => {
      const { runDoctor } = await import("./commands/doctor.ts");
      const { config } = load(flags, ["port", "host", "dataDir", "applierUrl"]);
      process.exitCode = await runDoctor(config, flags);
    });

  const quarantine = program
    .command("quarantine")
    .description("streams that central has stopped, and records that it put aside");
  define(quarantine, "list", "shows them and says what to do", ["dataDir"])
    .option("--json", "for programs, with key, headers and value", false)
    .action(async (flags: Flags & { readonly json: boolean }) => {
      const { quarantineText } = await import("./commands/quarantine.ts");
      console.log(await quarantineText(load(flags, ["dataDir"]).config, flags));
    });
  define(quarantine, "retry", "reads a partition again from its first record put aside", [
    "dataDir",
  ])
    .requiredOption("--partition <number>", "of the topic")
    .option("--shard <name>", "from the first record of this shard")
    .action(async (flags: Flags & { partition: string; shard?: string }) => {
      const { runRetry } = await import("./commands/quarantine.ts");
      process.exitCode = await runRetry(load(flags, ["dataDir"]).config, flags);
    });
};

const createProgram = (): Command => {
  const program = new Command("sluice")
    .description("HTTP order intake for a derivatives exchange")
    .version(packageJson.version)
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    .showSuggestionAfterError();
  servingCommands(program);
  venueCommands(program);
  orderCommands(program);
  operatorCommands(program);
  replicationCommands(program);
  findingCommands(program);
  return program;
};

const program = createProgram();

/** The help of the command that was called. */
const helpOf = (command: Command, words = process.argv.slice(2)): string => {
  const called = command.commands.find((one) => one.name() === words[0]);
  if (called === undefined) return `${command.name()} --help`;
  return `${command.name()} ${helpOf(called, words.slice(1))}`;
};

/** What failed and what that came from, without a stack: the fault is outside. */
const sentenceOf = (error: OperatingError): string => {
  const reason = error.cause === undefined ? "" : reasonOf(error.cause);
  return error.message.includes(reason) ? error.message : `${error.message}: ${reason}`;
};

/** Ends the process as the failure says. */
const fail = (error: unknown): never => {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) process.exit(EXIT.well);
    const sentence = error.message.replace(/^error: /, "").replaceAll("\n", " ");
    if (error.code !== "commander.help") console.error(`${sentence}. See ${helpOf(program)}`);
    process.exit(EXIT.wrongUse);
  }
  if (error instanceof UsageError) {
    console.error(error.message);
    process.exit(EXIT.wrongUse);
  }
  if (error instanceof OperatingError) {
    console.error(sentenceOf(error));
    process.exit(EXIT.problemFound);
  }
  const isOurs = error instanceof BrokenInvariant;
  // The query builder hides what its driver threw in an error of its own.
  if (!isOurs && error instanceof Error && error.cause instanceof OperatingError) {
    return fail(error.cause);
  }
  const title = isOurs ? "Broken invariant" : "Unexpected failure";
  console.error(`${title}:`, error);
  process.exit(EXIT.brokenInvariant);
};

process.on("uncaughtException", fail);
process.on("unhandledRejection", fail);
try {
  await program.parseAsync();
  process.exit();
} catch (error) {
  fail(error);
}
