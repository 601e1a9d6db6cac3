/**
 * The loop of the paper matching engine: reads what the shards commit, matches, and sends executions
 * and mark prices through the api's own door, each until it is taken. It holds nothing that must
 * last: a start reads the open orders again, and what it then matches anew has the ids it had before.
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
  readonly feeds: readonly JournalFeed[];
  readonly door: VenueDoor;
  readonly clock: Clock;
  readonly logger: Logger;
}

const EXECUTIONS_A_REQUEST = 500;
const PAUSE_MS = 10;
const RETRY_MS = 250;
/** How often prices are told again, so that none gets too old while nothing trades. */
const MARKS_MS = 1000;

/** Runs until `signal` says stop; resolves when the last request has ended. */
export const runEngine = async (options: EngineOptions, signal: AbortSignal): Promise<void> => {
  const { engine, feeds, clock } = options;
  let marksDueMs = clock.monotonicMs();
  while (!signal.aborted) {
    const now = clock.now();
    const executions = feeds.flatMap((feed) =>
      feed.next().flatMap((news) => engine.take(news, now)),
    );
    await sendAll(options, executions, signal);
    if (clock.monotonicMs() >= marksDueMs) {
      const prices = engine.marks(clock.now());
      if (prices.length > 0) await insist(options, "/admin/v1/mark-prices", { prices }, signal);
      marksDueMs = clock.monotonicMs() + MARKS_MS;
    }
    if (executions.length === 0) await Bun.sleep(PAUSE_MS);
  }
};

const sendAll = async (
  options: EngineOptions,
  executions: readonly ExecutionText[],
  signal: AbortSignal,
): Promise<void> => {
  for (let from = 0; from < executions.length; from += EXECUTIONS_A_REQUEST) {
    const part = executions.slice(from, from + EXECUTIONS_A_REQUEST);
    await insist(options, "/admin/v1/executions", { executions: part }, signal);
  }
};

/** An execution may arrive twice, never be lost: the shard knows its id. */
const insist = async (
  { door, logger }: EngineOptions,
  path: Parameters<VenueDoor["send"]>[0],
  body: object,
  signal: AbortSignal,
): Promise<void> => {
  while (!signal.aborted) {
    try {
      await door.send(path, body);
      return;
    } catch (error) {
      logger.warn({ err: error, path }, "the api did not take what the matching engine said");
      await Bun.sleep(RETRY_MS);
    }
  }
};
