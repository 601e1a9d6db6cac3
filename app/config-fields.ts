/** Kinds of settings, for the schema in `config.ts`. */
import { z } from "zod";
import { duration } from "../shards/config.ts";
import { parseUnits } from "../shards/domain/decimal.ts";
import { RATIO_SCALE } from "../shards/domain/instrument.ts";

/** A whole number, as a number or as text. */
export const whole = (min: number, max: number, byDefault: number) =>
  z
    .unknown()
    .transform((value, context) => {
      const number = typeof value === "string" && /^\d{1,15}$/.test(value) ? Number(value) : value;
      if (
        typeof number === "number" &&
        Number.isInteger(number) &&
        number >= min &&
        number <= max
      ) {
        return number;
      }
      context.addIssue({
        code: "custom",
        message: `expected a whole number from ${min} to ${max}`,
      });
      return z.NEVER;
    })
    .prefault(byDefault);

/** One of these words; the first when nothing is said. */
export const oneOf = <const Words extends readonly [string, ...string[]]>(words: Words) =>
  z.enum(words, { error: `expected ${words.join(" or ")}` }).prefault(words[0] as Words[number]);

export const text = () => z.string().trim().min(1);

const HOST_PORT = /^(\[[0-9a-fA-F:.]+\]|[^\s:/]+):(\d{1,5})$/;

/** `host:port`, an IPv6 host in brackets. */
export const listenAddress = () =>
  z.string().transform((value, context) => {
    const match = HOST_PORT.exec(value);
    const port = Number(match?.[2]);
    if (match === null || port > 65_535) {
      context.addIssue({ code: "custom", message: "expected HOST:PORT, like 127.0.0.1:8101" });
      return z.NEVER;
    }
    return { host: (match[1] ?? "").replace(/^\[|\]$/g, ""), port };
  });
export type ListenAddress = z.infer<ReturnType<typeof listenAddress>>;

/** Where a process of ours listens. */
export const processUrl = () =>
  z.url({ protocol: /^wss?$/, error: "expected a URL like ws://127.0.0.1:8101" });

/** `host:port,host:port`; becomes a list. */
const hostPorts = () =>
  z.string().transform((value, context): readonly string[] => {
    const brokers = value.split(",").map((one) => one.trim());
    const isAddress = (one: string): boolean => {
      const port = Number(HOST_PORT.exec(one)?.[2]);
      return port >= 1 && port <= 65_535;
    };
    if (brokers.every(isAddress)) return brokers;
    context.addIssue({ code: "custom", message: "expected HOST:PORT,HOST:PORT,…" });
    return z.NEVER;
  });

const flag = () =>
  z
    .union([z.boolean(), z.enum(["true", "false"]).transform((word) => word === "true")], {
      error: "expected true or false",
    })
    .prefault(false);

const storeUrl = (protocol: RegExp, example: string) =>
  z.url({ protocol, hostname: /./, error: `expected a URL like ${example}` });

/** Other people's servers; each has the plain name that its users know. */
export const externalSettings = {
  kafkaBrokers: hostPorts().optional(),
  mysqlUrl: storeUrl(/^mysql$/, "mysql://user:password@host:3306/sluice").optional(),
  redisUrl: storeUrl(/^rediss?$/, "redis://host:6379/0").optional(),
};

const RATIO = /^(0|[1-9]\d{0,3})(\.\d{1,8})?$/;

/** A share such as `0.0005`; becomes an integer of 10^-8. */
const ratio = (byDefault: string) =>
  z
    .string()
    .transform((value, context) => {
      const units = RATIO.test(value) ? parseUnits(value, RATIO_SCALE) : "unreadable";
      if (typeof units === "number") return units;
      context.addIssue({ code: "custom", message: "expected a share like 0.0005, 8 decimals" });
      return z.NEVER;
    })
    .prefault(byDefault);

/** What every shard reckons margin with. Not pinned: used margin is reckoned anew at a start. */
export const marginSettingsSchema = z.strictObject({
  /** Of the notional: what a fill is taken to cost while its order is open. */
  feeRate: ratio("0.0005"),
  /** By how much a market order may trade worse than the mark price. */
  marketBuffer: ratio("0.05"),
  /** A mark price that is older stops market orders. */
  markAge: duration("10s"),
  /** Of an account that has chosen none, as far as the instrument allows it. */
  leverage: whole(1, 1000, 20),
});

export const SASL_MECHANISMS = ["plain", "scram-sha-256", "scram-sha-512"] as const;

const topicName = (byDefault: string) =>
  z
    .string()
    .regex(/^(?!\.{1,2}$)[\w.-]{1,249}$/, {
      error: "expected a topic's name: letters, digits, dot, _ and -, 249 at most",
    })
    .prefault(byDefault);

export const kafkaSettingsSchema = z.strictObject({
  /** Where committed records go; made at the first start. */
  topic: topicName("orders.committed"),
  /** What matching engines say of orders; read when it is there. */
  executionsTopic: topicName("executions"),
  /** What the exchange's index says of prices; read when it is there. */
  markPricesTopic: topicName("mark-prices"),
  /** The consumer group of both, shared by the api processes. */
  venueGroupId: text().prefault("sluice-venue"),
  /** The appliers' consumer group. */
  groupId: text().prefault("sluice-applier"),
  /** Of a topic that is made; 0 takes as many as there are brokers, 3 at most. */
  replicationFactor: whole(0, 100, 0),
  /** Of a topic that is made: how long the broker keeps a record. */
  retention: duration("14d"),
  ssl: flag(),
  /** PEM file of the authority that signed the brokers' certificates; the system's when left out. */
  sslCa: text().optional(),
  saslMechanism: z
    .enum(SASL_MECHANISMS, { error: `expected one of ${SASL_MECHANISMS.join(", ")}` })
    .optional(),
  saslUsername: text().optional(),
  saslPassword: z.string().optional(),
});
