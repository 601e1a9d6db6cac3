/**
 * `sluice dev`: the whole system on this machine, each writer, the applier and the api as a process
 * of its own under one supervisor. All but the api listen on loopback, on ports picked once.
 */

import type { AccountId } from "../../shards/domain/brands.ts";
import { systemClock } from "../../shards/process/clock.ts";
import { EXIT, UsageError } from "../../shards/process/failure.ts";
import { createLogger, type LogLevel } from "../../shards/process/logger.ts";
import { onStopSignal } from "../../shards/process/signals.ts";
import { type Config, isLoopback, type LoadedConfig } from "../config.ts";
import { pickPorts } from "../supervisor/ports.ts";
import { type ChildSpec, supervise } from "../supervisor/supervisor.ts";
import { loadKeys } from "../tokens/keys.ts";
import { findShard, hostPort } from "./addresses.ts";
import { adminApi, detailOf } from "./admin-api.ts";
import { createSecret, obtainDevSecret, prepareDataDir } from "./data-dir.ts";
import { seedInstruments } from "./instruments.ts";
import { listening } from "./running.ts";
import { createSigner, keySource } from "./signing.ts";

const LOOPBACK = "127.0.0.1";
const DRAIN_MS_MIN = 10_000;
/** For what a drain does beside the requests under way: the last commits, closing files. */
const DRAIN_MARGIN_MS = 5000;
const ROUTING_MS_MAX = 1000;
const ROUTING_LOOK_MS = 10;
/** Unless one is configured: the terminal should show the address and what goes wrong. */
const LOG_LEVEL = "warn";
const TOKEN_ACCOUNT = 42 as AccountId;
/** Two, so that one can trade with the other. */
const DEMO_ACCOUNTS = [TOKEN_ACCOUNT, (TOKEN_ACCOUNT + 1) as AccountId];
const TOKEN_TTL_MS = 24 * 3_600_000;

export interface DevArguments {
  /** Shards that take a new epoch at this start. */
  readonly newEpoch: readonly string[];
  /** Run the paper matching engine. */
  readonly match: boolean;
}

/** Resolves with the exit code when every process has ended. */
export const runDev = async (loaded: LoadedConfig, args: DevArguments): Promise<number> => {
  const { config } = loaded;
  for (const name of args.newEpoch) findShard(config, "--new-epoch", name);
  refuseDevSecretOffLoopback(config);
  prepareDataDir(config.dataDir);
  const withOwnKey = config.jwtSecret === undefined && config.jwtKeys === undefined;
  const devSecret = withOwnKey ? obtainDevSecret(config.dataDir) : undefined;
  await refuseWhatTheApiWould(config, devSecret);
  const tree = planTree(loaded, args, devSecret);
  const supervisor = supervise({
    drainGroups: tree.drainGroups,
    drainTimeMsMax: drainTimeMsMaxOf(config),
    clock: systemClock,
    logger: createLogger("dev", logLevelOf(loaded)),
  });
  const stop = Promise.withResolvers<"stop">();
  onStopSignal(() => stop.resolve("stop"), supervisor.kill);
  const first = await Promise.race([supervisor.started, stop.promise]);
  let exitCode: number = EXIT.well;
  if (typeof first === "object") {
    console.error(`${first.refused} could not start, so dev ends.`);
    exitCode = EXIT.wrongUse;
  } else if (first === "serving") {
    const address = addressOf(config, tree.apiPort);
    await untilRouting(address);
    if (withOwnTokens(config)) await fundDemoAccounts(config, address);
    console.log(await banner(config, args, address));
    await stop.promise;
  }
  await supervisor.stop();
  return exitCode;
};

/** A draining api may hold a request until its deadline; it must not be killed before. */
export const drainTimeMsMaxOf = ({ requestDeadline }: Config): number =>
  Math.max(DRAIN_MS_MIN, requestDeadline + DRAIN_MARGIN_MS);

const logLevelOf = ({ config, effective }: LoadedConfig): LogLevel => {
  const isDefault = effective.some((s) => s.path === "logLevel" && s.source === "default");
  return isDefault ? LOG_LEVEL : config.logLevel;
};

/** That secret lies readable in the data folder and was never meant to guard a network. */
const refuseDevSecretOffLoopback = (config: Config): void => {
  if (isLoopback(config.host) || config.jwtSecret !== undefined || config.jwtKeys !== undefined) {
    return;
  }
  throw new UsageError(
    `--host ${config.host} is off loopback, and the secret that dev makes is for this machine ` +
      `only: set SLUICE_JWT_SECRET (32 bytes at least) or SLUICE_JWT_KEYS, or leave --host out.`,
  );
};

/** The api would say the same, when everything else has been started already. */
const refuseWhatTheApiWould = async (config: Config, devSecret?: string): Promise<void> => {
  await loadKeys(keySource({ jwtSecret: config.jwtSecret ?? devSecret, jwtKeys: config.jwtKeys }));
  const { host: hostname, port } = config;
  const probe = await listening("--port or SLUICE_PORT", config, () =>
    Bun.listen({ hostname, port, socket: { data: () => {} } }),
  );
  probe.stop(true);
};

interface Tree {
  readonly drainGroups: readonly (readonly ChildSpec[])[];
  readonly apiPort: number;
}

/** Only the api verifies tokens: what could sign them is in no other process. */
const WITHOUT_TOKEN_KEYS = { jwtSecret: null, jwtKeys: null } as const;
/** A writer reaches the broker, never a database of others. */
const WITHOUT_DATABASES = { mysqlUrl: null, redisUrl: null } as const;

/**
 * The api drains first, so that no client meets a shard that is gone; then the shards hand over
 * what is committed; the applier, which takes it, goes last. Loopback keeps no other user of this
 * machine out, so the children show each other a secret, which only their environment tells.
 */
export const planTree = (
  loaded: LoadedConfig,
  args: DevArguments,
  devSecret: string | undefined,
): Tree => {
  const { shards } = loaded.config.sharding;
  const [applierPort = 0, freePort = 0, ...shardPorts] = pickPorts(shards.length + 2);
  const apiPort = loaded.config.port === 0 ? freePort : loaded.config.port;
  const url = (port: number): string => `ws://${hostPort(LOOPBACK, port)}`;
  const listen = (port: number): string => hostPort(LOOPBACK, port);
  const clusterSecret = loaded.config.clusterSecret ?? createSecret();
  const environment = (overrides: Parameters<LoadedConfig["childEnvironment"]>[0]) =>
    loaded.childEnvironment({
      dataDir: loaded.config.dataDir,
      logLevel: logLevelOf(loaded),
      clusterSecret,
      ...overrides,
    });
  const applier: ChildSpec = {
    name: "applier",
    command: [...selfCommand(), "applier"],
    environment: environment({ ...WITHOUT_TOKEN_KEYS, applierListen: listen(applierPort) }),
  };
  const urls = Object.fromEntries(
    shards.map(({ name }, index) => [name, url(shardPorts[index] ?? 0)]),
  );
  const shardSpecs = shards.map(
    ({ name }, index): ChildSpec => ({
      name,
      command: [...selfCommand(), "shard", "--shard", name],
      firstStartArguments: args.newEpoch.includes(name) ? ["--new-epoch"] : [],
      environment: environment({
        ...WITHOUT_TOKEN_KEYS,
        ...WITHOUT_DATABASES,
        shardListen: listen(shardPorts[index] ?? 0),
        shardUrls: JSON.stringify(urls),
        applierUrl: url(applierPort),
      }),
    }),
  );
  const api: ChildSpec = {
    name: "api",
    command: [...selfCommand(), "api"],
    environment: environment({
      port: String(apiPort),
      shardUrls: JSON.stringify(urls),
      ...(devSecret === undefined ? {} : { jwtSecret: devSecret }),
    }),
  };
  const serving = [[api], shardSpecs, [applier]];
  if (!runsMatch(loaded.config, args)) return { drainGroups: serving, apiPort };
  const match: ChildSpec = {
    name: "match",
    command: [...selfCommand(), "match", "--api", addressOf(loaded.config, apiPort)],
    environment: environment({
      jwtKeys: null,
      ...WITHOUT_DATABASES,
      ...(devSecret === undefined ? {} : { jwtSecret: devSecret }),
    }),
  };
  return { drainGroups: [[match], ...serving], apiPort };
};

/** It signs its own tokens, so a secret must be here. */
const runsMatch = (config: Config, { match }: DevArguments): boolean =>
  match && config.venue === "external" && withOwnTokens(config);

/** Whether dev can sign tokens: with its own secret or a configured one. */
const withOwnTokens = ({ jwtSecret, jwtKeys }: Config): boolean =>
  jwtSecret !== undefined || jwtKeys === undefined;

/** This program: the compiled binary, or bun and the file it was started with. */
const selfCommand = (): readonly string[] =>
  isCompiled() ? [process.execPath] : [process.execPath, Bun.main];

/** A compiled program's files lie in a folder that exists inside the binary only. */
const isCompiled = (): boolean =>
  Bun.main.startsWith("/$bunfs/") || Bun.main.startsWith("B:\\~BUN");

const addressOf = ({ host }: Config, port: number): string => {
  const everywhere = host === "0.0.0.0" || host === "::";
  return `http://${hostPort(everywhere ? LOOPBACK : host, port)}`;
};

/** The api serves before it has reached its shards; the order to paste should be taken at once. */
const untilRouting = async (address: string): Promise<void> => {
  const giveUpAtMs = systemClock.monotonicMs() + ROUTING_MS_MAX;
  while (systemClock.monotonicMs() < giveUpAtMs) {
    const ready = await fetch(`${address}/readyz`).catch(() => undefined);
    if (ready?.ok) return;
    await Bun.sleep(ROUTING_LOOK_MS);
  }
};

/** What the demo account is given once, of each asset that margin is paid in. */
const DEMO_AMOUNT = "1000000";

/** The same transfers at each start: later ones find that they were made. */
const fundDemoAccounts = async (config: Config, address: string): Promise<void> => {
  if (config.risk !== "margin") return;
  const api = adminApi(config, { api: address });
  const assets = new Set(seedInstruments(config.dataDir).map(({ marginAsset }) => marginAsset));
  const fund = async (account: AccountId, asset: string): Promise<void> => {
    const transfer = { transferId: `dev-welcome-${asset}`, asset, amount: DEMO_AMOUNT };
    const answer = await api.ask("POST", `/admin/v1/accounts/${account}/transfers`, transfer);
    if (answer.status < 300) return;
    console.error(`Account ${account} was not given its ${asset}: ${detailOf(answer)}`);
  };
  const all = DEMO_ACCOUNTS.flatMap((account) => [...assets].map((asset) => fund(account, asset)));
  await Promise.all(all);
};

const banner = async (config: Config, args: DevArguments, address: string): Promise<string> =>
  [
    `Sluice serves at ${address}`,
    "",
    ...(await tokenLines(config, address)),
    ...moneyLines(config),
    ...matchLines(config, args),
    `Docs   ${address}/docs`,
    `Data   ${config.dataDir}`,
    ...storeLines(config),
    "Ctrl-C drains and ends.",
  ].join("\n");

const moneyLines = (config: Config): readonly string[] =>
  config.risk === "margin" && withOwnTokens(config)
    ? [`Money  accounts ${DEMO_ACCOUNTS.join(" and ")} have ${DEMO_AMOUNT} of each asset`]
    : [];

const matchLines = (config: Config, args: DevArguments): readonly string[] => {
  if (config.venue !== "external") return [];
  if (runsMatch(config, args))
    return ["Match  a paper engine fills orders (--no-match leaves it out)"];
  return [
    "Match  none: send executions to POST /admin/v1/executions" +
      (args.match ? "; the paper engine needs SLUICE_JWT_SECRET" : ""),
  ];
};

/** Where committed orders go when that is not the data folder; no password in it. */
const storeLines = ({ kafkaBrokers, kafka, mysqlUrl, redisUrl }: Config): readonly string[] => [
  ...(kafkaBrokers === undefined ? [] : [`Topic  ${kafka.topic} at ${kafkaBrokers.join(", ")}`]),
  ...(mysqlUrl === undefined ? [] : [`MySQL  ${placeOf(mysqlUrl)}`]),
  ...(redisUrl === undefined ? [] : [`Redis  ${placeOf(redisUrl)}`]),
];

const placeOf = (text: string): string => {
  const { host, pathname } = new URL(text);
  return host + pathname;
};

const tokenLines = async (config: Config, address: string): Promise<readonly string[]> => {
  if (config.jwtSecret === undefined && config.jwtKeys !== undefined) {
    return ["Tokens come from the owner of the keys in SLUICE_JWT_KEYS.", ""];
  }
  const token = await createSigner(config).sign(
    TOKEN_ACCOUNT,
    ["read", "trade", "admin"],
    TOKEN_TTL_MS,
  );
  const order =
    '{"symbol":"BTCUSDT","side":"BUY","type":"LIMIT","price":"50000.10","quantity":"0.010"}';
  return [
    `Token for account ${TOKEN_ACCOUNT} (read, trade, admin; 24 h):`,
    token,
    "",
    "An order:",
    `curl -s ${address}/v1/orders -H 'Authorization: Bearer ${token}' ` +
      `-H 'Content-Type: application/json' -d '${order}'`,
    "",
  ];
};
