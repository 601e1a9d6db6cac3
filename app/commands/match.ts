/** `sluice match`: the paper matching engine, beside the shard files whose orders it matches. */
import { join } from "node:path";
import { systemClock } from "../../shards/process/clock.ts";
import { OperatingError, UsageError } from "../../shards/process/failure.ts";
import { createLogger } from "../../shards/process/logger.ts";
import type { Config } from "../config.ts";
import { PaperEngine } from "../matching/engine.ts";
import { openFeed } from "../matching/journal-feed.ts";
import { runEngine, type VenueDoor } from "../matching/run-engine.ts";
import { type AdminApi, type AdminFlags, adminApi, detailOf } from "./admin-api.ts";
import { type Running, runUntilStopped } from "./running.ts";

export const serveMatch = async (config: Config, flags: AdminFlags): Promise<void> => {
  await runUntilStopped(
    () => startMatch(config, flags),
    () => "the paper matching engine runs",
  );
};

const startMatch = async (config: Config, flags: AdminFlags): Promise<Running> => {
  if (config.venue !== "external") {
    throw new UsageError(
      `SLUICE_VENUE = ${config.venue}: a matching engine has a say with external only.`,
    );
  }
  const logger = createLogger("match", config.logLevel);
  const shards = config.sharding.shards.map(({ name }) =>
    openFeed(join(config.dataDir, `${name}.sqlite`)),
  );
  const stop = new AbortController();
  const door = doorOf(adminApi(config, flags), (detail) => logger.warn(detail));
  const clock = systemClock;
  // One a shard: what a shard that is down does not take holds up nothing of the others.
  const ended = Promise.all(
    shards.map(({ feed }) => {
      const engine = new PaperEngine(config.margin.feeRate);
      return runEngine({ engine, feed, door, clock, logger }, stop.signal);
    }),
  );
  return {
    port: 0,
    drain: async () => {
      stop.abort();
      await ended;
      for (const shard of shards) shard.close();
    },
  };
};

interface Taken {
  readonly executionId?: string;
  readonly status?: string;
  readonly reason?: string;
}

const doorOf = (api: AdminApi, warn: (detail: string) => void): VenueDoor => ({
  send: async (path, body) => {
    const answer = await api.ask("POST", path, body);
    const results = (answer.body.results ?? []) as readonly Taken[];
    for (const { executionId, status, reason } of results) {
      if (status === "quarantined") warn(`execution ${executionId} was put aside: ${reason}`);
    }
    if (answer.status === 200 && results.every(({ status }) => status !== "unknown")) return;
    throw new OperatingError("executions_not_taken", `send ${path}: ${detailOf(answer)}`, {
      retryable: true,
    });
  },
});
