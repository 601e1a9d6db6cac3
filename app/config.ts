/**
 * Every setting of every `sluice` process, in one schema. The only place that reads the
 * environment; precedence is flag, environment, file, default.
 */
import { resolve } from "node:path";
import { z } from "zod";
import { duration, shardSettingsSchema } from "../shards/config.ts";
import { RISK_MODES, VENUES } from "../shards/domain/risk/types.ts";
import { defaultSharding, parseShardMap, type ShardMap } from "../shards/domain/symbol-map.ts";
import { reasonOf, UsageError } from "../shards/process/failure.ts";
import { LOG_LEVELS } from "../shards/process/logger.ts";
import {
  externalSettings,
  kafkaSettingsSchema,
  listenAddress,
  marginSettingsSchema,
  oneOf,
  processUrl,
  text,
  whole,
} from "./config-fields.ts";
import {
  type Environment,
  gatherSettings,
  type SettingName,
  type SettingPath,
  type SourceName,
  upperSnake,
} from "./config-sources.ts";

const shardMap = () =>
  z.unknown().transform((value, context): ShardMap => {
    try {
      return parseShardMap(value);
    } catch (error) {
      context.addIssue({ code: "custom", message: reasonOf(error) });
      return z.NEVER;
    }
  });

const CLUSTER_SECRET_BYTES_MIN = 32;

const schema = z.strictObject({
  /** Where clients connect; 0 takes a free port. */
  port: whole(0, 65_535, 8080),
  host: text().prefault("127.0.0.1"),
  /** Shard files, the embedded central store, the dev secret, imported instruments. */
  dataDir: text().prefault("./data"),
  jwtSecret: z.string().optional(),
  /** PEM or JWKS: its text, or the path of a file. */
  jwtKeys: z.string().optional(),
  jwtIssuer: text().optional(),
  jwtAudience: text().optional(),
  /** What our processes show each other; at least 32 bytes, needed off loopback. */
  clusterSecret: z
    .string()
    .refine((secret) => Buffer.byteLength(secret) >= CLUSTER_SECRET_BYTES_MIN, {
      error: `expected at least ${CLUSTER_SECRET_BYTES_MIN} bytes`,
    })
    .optional(),
  shardListen: listenAddress().optional(),
  applierListen: listenAddress().optional(),
  applierUrl: processUrl().optional(),
  shardUrls: z.record(z.string(), processUrl()).optional(),
  sharding: shardMap().prefault(defaultSharding),
  /** Pinned in the shard files: it can't change while data is there. */
  partitionCount: whole(1, 1000, 10),
  /** Pinned. `none` when somebody behind this checks margin. */
  risk: oneOf(RISK_MODES),
  /** Pinned. `none` when no matching engine has the last word on orders. */
  venue: oneOf(VENUES),
  /** An answer comes by then; over it 504 `outcome_unknown`. */
  requestDeadline: duration("5s"),
  /** Orders a second for one account, in one api process; 0 means no limit. */
  rateLimitPerSecond: whole(0, 1_000_000_000, 10_000),
  logLevel: z.enum(LOG_LEVELS).prefault("info"),
  ...externalSettings,
  kafka: kafkaSettingsSchema.prefault({}),
  margin: marginSettingsSchema.prefault({}),
  shard: shardSettingsSchema.prefault({}),
});

export type Config = Readonly<z.infer<typeof schema>>;
type Key = keyof Config;

const GROUPS: Readonly<Record<string, { readonly shape: Readonly<Record<string, z.ZodType>> }>> = {
  kafka: kafkaSettingsSchema,
  margin: marginSettingsSchema,
  shard: shardSettingsSchema,
};
const SECRETS: ReadonlySet<SettingPath> = new Set([
  "jwtSecret",
  "jwtKeys",
  "clusterSecret",
  "mysqlUrl",
  "redisUrl",
  "kafka.saslPassword",
]);
const STRUCTURED: ReadonlySet<SettingPath> = new Set<Key>(["shardUrls", "sharding"]);

const nameOf = (path: SettingPath): SettingName => ({
  path,
  env: (path in externalSettings ? "" : "SLUICE_") + path.split(".").map(upperSnake).join("_"),
  structured: STRUCTURED.has(path),
  secret: SECRETS.has(path),
});

/** Every setting, in the order in which `sluice config` prints them. */
export const SETTING_NAMES: readonly SettingName[] = Object.keys(schema.shape)
  .flatMap((key) => {
    const group = GROUPS[key];
    return group === undefined ? [key] : Object.keys(group.shape).map((k) => `${key}.${k}`);
  })
  .map(nameOf);

/** One setting as `sluice config` shows it. */
export interface EffectiveSetting extends SettingName {
  /** As it would be written in the file; undefined when not set. */
  readonly value: unknown;
  readonly source: SourceName;
}

export interface LoadedConfig {
  readonly config: Config;
  readonly effective: readonly EffectiveSetting[];
  /**
   * The environment of a process started from here, with `overrides` on top of these settings;
   * null withholds a setting.
   */
  childEnvironment(overrides: Partial<Record<Key, string | null>>): Record<string, string>;
}

/** Milliseconds of a duration that is no setting, such as `--ttl 1h`. */
export const parseDurationFlag = (flag: string, value: string): number => {
  const parsed = duration("0s").safeParse(value);
  if (parsed.success) return parsed.data;
  throw new UsageError(`${flag} = ${JSON.stringify(value)}: ${parsed.error.issues[0]?.message}.`);
};

/** Flags that are settings, by the setting's name. */
export type SettingFlags = Readonly<Partial<Record<Key, string>>>;

/** Throws {@link UsageError} with one sentence for each wrong setting. */
export const loadConfig = (
  options: { readonly file?: string | undefined; readonly flags?: SettingFlags } = {},
  environment: Environment = process.env,
): LoadedConfig => {
  const { values, sources } = gatherSettings({
    names: SETTING_NAMES,
    file: options.file,
    environment,
    flags: options.flags ?? {},
  });
  const parsed = schema.safeParse(values);
  if (!parsed.success) {
    const sentences = parsed.error.issues.map((issue) => sentenceOf(issue, values, sources));
    throw new UsageError([...new Set(sentences)].join("\n"));
  }
  const config = { ...parsed.data, dataDir: resolve(parsed.data.dataDir) };
  const broken = limitsBroken(config);
  if (broken.length > 0) throw new UsageError(broken.join("\n"));
  const effective = SETTING_NAMES.map((name) => effectiveOf(name, values, sources));
  return {
    config,
    effective,
    childEnvironment: (overrides) => environmentOf(environment, effective, overrides),
  };
};

/** The values at a path, outermost first: `shard.walMax` has two. */
const valueAt = (values: Readonly<Record<string, unknown>>, path: SettingPath): unknown => {
  let value: unknown = values;
  for (const key of path.split(".")) value = (value as Record<string, unknown> | undefined)?.[key];
  return value;
};

const sentenceOf = (
  issue: z.core.$ZodIssue,
  values: Readonly<Record<string, unknown>>,
  sources: ReadonlyMap<SettingPath, SourceName>,
): string => {
  const full = issue.path.map(String).join(".");
  const setting = SETTING_NAMES.find(({ path }) => full === path || full.startsWith(`${path}.`));
  const path = setting?.path ?? full;
  const source = sources.get(path) ?? "default";
  const value = valueAt(values, full);
  const shown =
    setting?.secret || typeof value === "object" ? "" : ` = ${JSON.stringify(value) ?? "nothing"}`;
  const inside = full.slice(path.length);
  const isName = /^(--|[A-Z_]+$)/.test(source);
  const subject = isName ? `${source}${inside}` : `${full} (${source})`;
  return `${subject}${shown}: ${issue.message.replace(/\.$/, "")}.`;
};

/** Limits that must agree with each other. */
const limitsBroken = (config: Config): readonly string[] => {
  const { shard } = config;
  const rules: readonly (readonly [boolean, string])[] = [
    [
      shard.intakeQueueMax >= shard.batchOrdersMax,
      `shard.intakeQueueMax (${shard.intakeQueueMax}) must hold one batch: ` +
        `at least shard.batchOrdersMax (${shard.batchOrdersMax}).`,
    ],
    [
      shard.openOrdersMax >= shard.batchOrdersMax,
      `shard.openOrdersMax (${shard.openOrdersMax}) must hold one batch: ` +
        `at least shard.batchOrdersMax (${shard.batchOrdersMax}).`,
    ],
    [
      shard.backlogRecordsMax >= shard.intakeQueueMax,
      `shard.backlogRecordsMax (${shard.backlogRecordsMax}) must hold what waits: ` +
        `at least shard.intakeQueueMax (${shard.intakeQueueMax}).`,
    ],
    [
      config.requestDeadline > shard.intakeWaitMax,
      `requestDeadline (${config.requestDeadline}ms) must be longer than ` +
        `shard.intakeWaitMax (${shard.intakeWaitMax}ms).`,
    ],
    [
      shard.outcomeRetention > config.requestDeadline,
      `shard.outcomeRetention (${shard.outcomeRetention}ms) must be longer than ` +
        `requestDeadline (${config.requestDeadline}ms), or a repeat finds no outcome.`,
    ],
    [
      config.mysqlUrl === undefined || config.kafkaBrokers !== undefined,
      "MYSQL_URL needs KAFKA_BROKERS: set both, or neither for the embedded store.",
    ],
    ...kafkaRules(config),
    ...clusterSecretRules(config),
  ];
  return rules.filter(([holds]) => !holds).map(([, sentence]) => sentence);
};

const kafkaRules = ({ kafka }: Config): readonly (readonly [boolean, string])[] => {
  const sasl = ["saslMechanism", "saslUsername", "saslPassword"] as const;
  const missing = sasl.filter((key) => kafka[key] === undefined);
  return [
    [
      missing.length === 0 || missing.length === sasl.length,
      "kafka.saslMechanism, kafka.saslUsername and kafka.saslPassword go together: set all or " +
        `none; not set: ${missing.map((key) => `kafka.${key}`).join(", ")}.`,
    ],
    [
      kafka.sslCa === undefined || kafka.ssl,
      `kafka.sslCa = ${kafka.sslCa} needs kafka.ssl: set it to true, or leave kafka.sslCa out.`,
    ],
  ];
};

const clusterSecretRules = (config: Config): readonly (readonly [boolean, string])[] => {
  const hosts: readonly (readonly [string, string | undefined])[] = [
    ["shardListen", config.shardListen?.host],
    ["applierListen", config.applierListen?.host],
    ["applierUrl", hostOf(config.applierUrl)],
    ...Object.entries(config.shardUrls ?? {}).map(
      ([shard, url]) => [`shardUrls.${shard}`, hostOf(url)] as const,
    ),
  ];
  return hosts.map(([name, host]) => [
    host === undefined || isLoopback(host) || config.clusterSecret !== undefined,
    `${name} is off loopback (${host}): set SLUICE_CLUSTER_SECRET to at least 32 bytes.`,
  ]);
};

const hostOf = (url: string | undefined): string | undefined =>
  url === undefined ? undefined : new URL(url).hostname.replace(/^\[|\]$/g, "");

/** Whether only this machine can reach the host. */
export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);

const rawDefaultOf = (path: SettingPath): unknown => {
  const [head = "", tail] = path.split(".");
  const shape: Readonly<Record<string, z.ZodType>> =
    (tail === undefined ? schema : GROUPS[head])?.shape ?? {};
  const inner = shape[tail ?? head];
  return inner instanceof z.ZodPrefault || inner instanceof z.ZodDefault
    ? inner.def.defaultValue
    : undefined;
};

const effectiveOf = (
  name: SettingName,
  values: Readonly<Record<string, unknown>>,
  sources: ReadonlyMap<SettingPath, SourceName>,
): EffectiveSetting => {
  const source = sources.get(name.path);
  return source === undefined
    ? { ...name, value: rawDefaultOf(name.path), source: "default" }
    : { ...name, value: valueAt(values, name.path), source };
};

/** Every variable that is a setting, or the name of a file that holds one. */
const SETTING_VARIABLES: ReadonlySet<string> = new Set(
  SETTING_NAMES.flatMap(({ env }) => [env, `${env}_FILE`]),
);

const environmentOf = (
  environment: Environment,
  effective: readonly EffectiveSetting[],
  overrides: Partial<Record<Key, string | null>>,
): Record<string, string> => {
  const result: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    if (!SETTING_VARIABLES.has(name) && value !== undefined) result[name] = value;
  }
  for (const { path, env, value } of effective) {
    const override: string | null | undefined = overrides[path as Key];
    if (override === null) continue;
    if (override !== undefined) result[env] = override;
    else if (value !== undefined) {
      result[env] = typeof value === "string" ? value : JSON.stringify(value);
    }
  }
  return result;
};
