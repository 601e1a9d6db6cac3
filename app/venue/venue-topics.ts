/**
 * What the topics of the exchange say becomes what the admin paths would make of it: the same
 * commands, through the same router. A message that nobody can read is counted, told and passed
 * over; what a shard does not take now is offered again until it does.
 */

import type { VenueCommand } from "../../shards/domain/command.ts";
import { OperatingError, reasonOf } from "../../shards/process/failure.ts";
import type { Logger } from "../../shards/process/logger.ts";
import { Counter, type Registry } from "../../shards/process/metrics.ts";
import type { Answer } from "../../shards/protocol/answer.ts";
import { parseExecution } from "../http/venue/executions.ts";
import { parseMarkPrice } from "../http/venue/mark-prices.ts";
import type { ShardRouter } from "../routing/router.ts";
import type { TopicMessage } from "./topic-reader.ts";

export interface VenueTopicsOptions {
  readonly router: Pick<ShardRouter, "shardOfSymbol" | "request">;
  readonly registry: Registry;
  readonly logger: Logger;
  /** Milliseconds since 1970, by which a shard has to answer. */
  readonly deadlineAt: () => number;
}

type Take = (messages: readonly TopicMessage[]) => Promise<void>;

/** Messages that are asked at once: a fraction of what a connection and a shard's queue take. */
const ASKED_AT_ONCE = 256;

/** How each topic's messages are taken. */
export const venueTopics = (
  options: VenueTopicsOptions,
): { readonly executions: Take; readonly markPrices: Take } => {
  const counters = countersOf(options.registry);
  const taking = (topic: string, parse: (json: unknown) => Sent): Take =>
    takeOf({ ...options, ...counters, topic, parse });
  return {
    executions: taking("executions", (json) => ({
      kind: "execute",
      execution: parseExecution(json),
    })),
    markPrices: taking("mark-prices", parseMarkPrice),
  };
};

const countersOf = (registry: Registry) => ({
  unreadable: new Counter({
    name: "sluice_venue_unreadable_total",
    help: "Messages of the exchange's topics that nobody can read; passed over",
    labelNames: ["topic"],
    registers: [registry],
  }),
  refused: new Counter({
    name: "sluice_venue_refused_total",
    help: "Messages of the exchange's topics that a shard cannot use; passed over",
    labelNames: ["topic", "code"],
    registers: [registry],
  }),
});

type Sent = Extract<VenueCommand, { kind: "execute" | "mark" }>;

interface TakeParts extends VenueTopicsOptions, ReturnType<typeof countersOf> {
  readonly topic: string;
  readonly parse: (json: unknown) => Sent;
}

const takeOf = (parts: TakeParts): Take => {
  let lastRefusal = "";
  return async (messages) => {
    const sent = messages.flatMap((message) => readMessage(parts, message));
    for (let from = 0; from < sent.length; from += ASKED_AT_ONCE) {
      for (const { code, detail } of await askAll(parts, sent.slice(from, from + ASKED_AT_ONCE))) {
        parts.refused.inc({ topic: parts.topic, code });
        // Prices come all the time, and are refused for the same reason each time.
        if (detail !== lastRefusal) {
          parts.logger.error({ topic: parts.topic, code, detail }, "a shard cannot use a message");
        }
        lastRefusal = detail;
      }
    }
  };
};

const readMessage = (
  { parse, topic, unreadable, logger }: TakeParts,
  { text, place }: TopicMessage,
): readonly Sent[] => {
  try {
    return [parse(JSON.parse(text))];
  } catch (error) {
    unreadable.inc({ topic });
    logger.error(
      { place, reason: reasonOf(error) },
      "a message that cannot be read is passed over",
    );
    return [];
  }
};

interface Refusal {
  readonly code: string;
  readonly detail: string;
}

/**
 * What was refused for ever. All are asked before anything is awaited and all have one deadline:
 * that keeps their order. All have been answered when this ends; throws when some have to be asked
 * again.
 */
const askAll = async (
  { router, deadlineAt }: TakeParts,
  sent: readonly Sent[],
): Promise<readonly Refusal[]> => {
  const deadline = deadlineAt();
  const answers = await Promise.allSettled(
    sent.map((one) => {
      const symbol = one.kind === "mark" ? one.symbol : one.execution.symbol;
      return router.request(router.shardOfSymbol(symbol), one, deadline);
    }),
  );
  return answers.flatMap((answer) => {
    if (answer.status === "rejected") throw answer.reason;
    return refusalOf(answer.value);
  });
};

/** A price for an unknown symbol stays refused for ever; that is no reason to wait. */
const refusalOf = ({ kind, status, body }: Answer): readonly Refusal[] => {
  if (kind !== "problem") return [];
  if (status < 500) return [JSON.parse(body) as Refusal];
  throw new OperatingError("venue_not_taken", `a shard took not all: ${body}`, { retryable: true });
};
