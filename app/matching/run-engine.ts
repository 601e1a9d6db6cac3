/**
 * The loop of the paper matching engine for the symbols of one shard: reads what it commits, matches,
 * and sends executions through the api's own door until they are taken, mark prices once. It holds
 * nothing that must last: a start reads the open orders again, and what it then matches anew has the
 * ids it had before.
 */
import type { Clock } from "../../shards/process/clock.ts";
import type { Logger } from "../../shards/process/logger.ts";
import type { ExecutionText, PaperEngine } from "./engine.ts";
import type { JournalFeed } from "./journal-feed.ts";

/** The api's door for matching engines. Resolves when all were taken; rejects when nobody knows. */
export interface VenueDoor {
  send(path: "/admin/v1/executions" | "/admin/v1/mark-prices", body: object): Promise<void>;
}

export interface EngineOptions {
  readonly engine: PaperEngine;
  readonly feed: JournalFeed;
  readonly door: VenueDoor;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Half of what the api takes at most. */
const ITEMS_A_REQUEST = 500;
const PAUSE_MS = 10;
const RETRY_MS = 250;
/** How often prices are told again, so that none gets too old while nothing trades. */
const MARKS_MS = 1000;

/** Runs until `signal` says stop; resolves when the last request has ended. */
export const runEngine = async (options: EngineOptions, signal: AbortSignal): Promise<void> => {
  const { engine, feed, clock } = options;
  let marksDueMs = clock.monotonicMs();
  while (!signal.aborted) {
    const now = clock.now();
    const executions = feed.next().flatMap((news) => engine.take(news, now));
    for (const part of partsOf(executions)) await insist(options, { executions: part }, signal);
    if (clock.monotonicMs() >= marksDueMs) {
      await tellMarks(options);
      marksDueMs = clock.monotonicMs() + MARKS_MS;
    }
    if (executions.length === 0) await Bun.sleep(PAUSE_MS);
  }
};

const partsOf = <Item>(items: readonly Item[]): readonly (readonly Item[])[] =>
  Array.from({ length: Math.ceil(items.length / ITEMS_A_REQUEST) }, (_, part) =>
    items.slice(part * ITEMS_A_REQUEST, (part + 1) * ITEMS_A_REQUEST),
  );

/** A price that is not taken is no harm: the next one comes in a moment. */
const tellMarks = async ({ engine, door, clock, logger }: EngineOptions): Promise<void> => {
  for (const prices of partsOf(engine.marks(clock.now()))) {
    try {
      await door.send("/admin/v1/mark-prices", { prices });
    } catch (error) {
      logger.warn({ err: error }, "the api did not take the mark prices");
    }
  }
};

/** An execution may arrive twice, never be lost: the shard knows its id. */
const insist = async (
  { door, logger }: EngineOptions,
  body: { readonly executions: readonly ExecutionText[] },
  signal: AbortSignal,
): Promise<void> => {
  while (!signal.aborted) {
    try {
      await door.send("/admin/v1/executions", body);
      return;
    } catch (error) {
      logger.warn({ err: error }, "the api did not take what the matching engine said");
      await Bun.sleep(RETRY_MS);
    }
  }
};
