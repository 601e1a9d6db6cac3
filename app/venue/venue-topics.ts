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

/** How each topic's messages are taken. */
export const venueTopics = (
  options: VenueTopicsOptions,
): { readonly executions: Take; readonly markPrices: Take } => {
  const unreadable = new Counter({
    name: "sluice_venue_unreadable_total",
    help: "Messages of the exchange's topics that nobody can read; passed over",
    labelNames: ["topic"],
    registers: [options.registry],
  });
  const take =
    (topic: string, parse: (json: unknown) => Sent): Take =>
    async (messages) => {
      const sent = messages.flatMap(({ text, place }) => {
        try {
          return [parse(JSON.parse(text))];
        } catch (error) {
          unreadable.inc({ topic });
          const reason = reasonOf(error);
          options.logger.error({ place, reason }, "a message that cannot be read is passed over");
          return [];
        }
      });
      // All are asked before anything is awaited: that keeps their order.
      const answers = await Promise.all(sent.map((one) => ask(options, one)));
      const refusal = answers.find(isRefused);
      if (refusal === undefined) return;
      throw new OperatingError("venue_not_taken", `a shard took not all: ${refusal.body}`, {
        retryable: true,
      });
    };
  return {
    executions: take("executions", (json) => ({
      kind: "execute",
      execution: parseExecution(json),
    })),
    markPrices: take("mark-prices", parseMarkPrice),
  };
};

type Sent = Extract<VenueCommand, { kind: "execute" | "mark" }>;

const ask = ({ router, deadlineAt }: VenueTopicsOptions, sent: Sent): Promise<Answer> => {
  const symbol = sent.kind === "mark" ? sent.symbol : sent.execution.symbol;
  return router.request(router.shardOfSymbol(symbol), sent, deadlineAt());
};

/** A price for an unknown symbol stays refused for ever; that is no reason to wait. */
const isRefused = ({ kind, status }: Answer): boolean => kind === "problem" && status >= 500;
