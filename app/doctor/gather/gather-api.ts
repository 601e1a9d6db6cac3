/**
 * Asks a running api over HTTP. Read with patience: it may be of another version, so what it does
 * not say is null, and what is new in it is left alone.
 */
import { z } from "zod";
import { systemClock } from "../../../shards/process/clock.ts";
import { OperatingError, reasonOf } from "../../../shards/process/failure.ts";
import type { ApiFacts, ClockReading, ShardFacts, TokenFacts } from "../facts.ts";
import { askHttp } from "./ask-http.ts";

export interface ApiSources {
  readonly apiUrl: string;
  /** One of scope `admin`. Throws UsageError when none can be signed. */
  readonly token: () => Promise<string>;
  readonly msMax: number;
}

/** The api gives up on a shard for `/readyz` after 1 s, and names it; for the rest later than us. */
export const gatherApi = async ({ apiUrl, token, msMax }: ApiSources): Promise<ApiFacts> => {
  const clock = await readTime(apiUrl, msMax);
  const [ready, asked] = await Promise.all([
    readReadiness(apiUrl, msMax),
    readShards(apiUrl, token, msMax),
  ]);
  return { clock, token: asked.token, shards: asked.shards ?? ready };
};

const readShards = async (
  apiUrl: string,
  token: () => Promise<string>,
  msMax: number,
): Promise<Pick<ApiFacts, "token" | "shards">> => {
  const shown = await token().catch((error: unknown) => ({ missing: reasonOf(error) }));
  if (typeof shown === "object") {
    return { token: { kind: "missing", detail: shown.missing }, shards: null };
  }
  const headers = { authorization: `Bearer ${shown}` };
  const response = await askHttp(`${apiUrl}/admin/v1/shards`, { headers, msMax }).catch(() => null);
  const body: unknown = await response?.json().catch(() => undefined);
  const refused = refusalOf(response?.status, body);
  if (refused !== null) return { token: refused, shards: null };
  const parsed = shardsSchema.safeParse(body);
  const shards = parsed.success ? parsed.data.items : null;
  return { token: { kind: "accepted" }, shards };
};

const readReadiness = async (apiUrl: string, msMax: number): Promise<readonly ShardFacts[]> => {
  const response = await askHttp(`${apiUrl}/readyz`, { msMax });
  const parsed = readinessSchema.safeParse(await response.json().catch(() => undefined));
  if (!parsed.success) throw strange(`GET /readyz gave ${response.status} and no shards`);
  return parsed.data.shards.map(({ shard, state, detail }) => ({
    shard,
    state,
    reason: detail,
    epoch: null,
    partitionCount: null,
    freeBytes: null,
    sqliteVersion: null,
    relay: null,
    central: null,
    executionsQuarantined: null,
    risk: null,
  }));
};

const strange = (what: string): OperatingError =>
  new OperatingError("api_unreachable", what, { retryable: true });

const timeSchema = z.looseObject({ time: z.number() });

const readTime = async (apiUrl: string, msMax: number): Promise<ClockReading> => {
  const { now } = systemClock;
  const askedAt = now();
  const response = await askHttp(`${apiUrl}/v1/time`, { msMax });
  const uncertaintyMs = (now() - askedAt) / 2;
  const body: unknown = await response.json().catch(() => undefined);
  const parsed = timeSchema.safeParse(body);
  if (!parsed.success) throw strange(`GET /v1/time gave ${response.status} and no time`);
  return { offsetMs: parsed.data.time - (askedAt + uncertaintyMs), uncertaintyMs };
};

const problemSchema = z.looseObject({ detail: z.string() });

const refusalOf = (status: number | undefined, body: unknown): TokenFacts | null => {
  if (status !== 401 && status !== 403) return null;
  const parsed = problemSchema.safeParse(body);
  const detail = parsed.success ? parsed.data.detail : `status ${status}`;
  return { kind: status === 401 ? "refused" : "missing", detail };
};

const unsaid = <T extends z.ZodType>(schema: T) => schema.nullable().catch(null);

const shardSchema = z.looseObject({
  shard: z.string(),
  state: z.string(),
  reason: unsaid(z.string()),
  epoch: unsaid(z.number()),
  partitionCount: unsaid(z.number()),
  freeBytes: unsaid(z.number()),
  sqliteVersion: unsaid(z.string()),
  relay: unsaid(
    z.looseObject({
      state: z.string(),
      reason: unsaid(z.string()),
      backlogRecords: z.number(),
    }),
  ),
  central: unsaid(z.looseObject({ lagRecords: z.number(), lagMs: z.number() })),
  executionsQuarantined: unsaid(z.number()),
  risk: unsaid(
    z.looseObject({
      isReconciling: z.boolean(),
      pendingAgeMs: z.number(),
      outboxAgeMs: z.number(),
      staleMarks: z.number(),
    }),
  ),
});
const shardsSchema = z.looseObject({ items: z.array(shardSchema) });

const readinessSchema = z.looseObject({
  shards: z.array(
    z.looseObject({ shard: z.string(), state: z.string(), detail: unsaid(z.string()) }),
  ),
});
