/** How every process of ours speaks to the broker: one description, one client. */
import { Kafka, type LogEntry, logLevel } from "kafkajs";
import type { Logger } from "./logger.ts";

export interface KafkaSettings {
  /** `host:port` each; one that answers is enough. */
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly clientId: string;
  /** TLS with the system's authorities, or these; undefined: none. */
  readonly ssl?: {
    /** PEM. */
    readonly ca?: string;
    readonly rejectUnauthorized?: boolean;
  };
  readonly sasl?: {
    readonly mechanism: "plain" | "scram-sha-256" | "scram-sha-512";
    readonly username: string;
    readonly password: string;
  };
}

/** A broker that has not answered by then is as good as dead: another may be leader by now. */
export const KAFKA_REQUEST_TIMEOUT_MS = 5000;
/** A leader that hangs is left only when its metadata has grown old. */
export const KAFKA_METADATA_AGE_MS_MAX = 3000;

/**
 * The library tries a few times and gives up within a few seconds; whoever calls decides what
 * then, so that nothing goes on in the background after a close.
 */
const RETRY = { initialRetryTime: 100, maxRetryTime: 1000, retries: 3 };

/** Connects nowhere yet. */
export const kafkaClient = (settings: KafkaSettings, logger: Logger): Kafka => {
  const { brokers, clientId, ssl, sasl } = settings;
  return new Kafka({
    brokers: [...brokers],
    clientId,
    ...(ssl === undefined ? {} : { ssl: { ...ssl } }),
    ...(sasl === undefined ? {} : { sasl: { ...sasl } as PlainLogin }),
    connectionTimeout: 3000,
    requestTimeout: KAFKA_REQUEST_TIMEOUT_MS,
    enforceRequestTimeout: true,
    retry: RETRY,
    logLevel: logLevel.WARN,
    logCreator: () => (entry) => log(logger, entry),
  });
};

/** The library's type has one shape a mechanism; the fields are the same for all of ours. */
interface PlainLogin {
  readonly mechanism: "plain";
  readonly username: string;
  readonly password: string;
}

/** What the library calls an error is tried again; whether it lasts, the caller says. */
const log = (logger: Logger, { namespace, log: { message, error } }: LogEntry): void => {
  const about = { kafka: namespace, ...(error === undefined ? {} : { reason: String(error) }) };
  logger.debug(about, message);
};

/** The broker's own name of what went wrong (`MESSAGE_TOO_LARGE`), however deep it is wrapped. */
export const kafkaErrorType = (error: unknown): string | undefined => {
  let one = error as { type?: unknown; cause?: unknown; originalError?: unknown } | undefined;
  for (let depth = 0; depth < 8 && typeof one === "object" && one !== null; depth++) {
    if (typeof one.type === "string") return one.type;
    one = (one.cause ?? one.originalError) as typeof one;
  }
  return undefined;
};
