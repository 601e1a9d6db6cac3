/** Instruments, the server's time, and the shards as operators see them. */
import type { InstrumentSymbol } from "../../../shards/domain/brands.ts";
import { CODES } from "../../../shards/domain/codes.ts";
import type { InstrumentDescription } from "../../../shards/domain/instrument.ts";
import { type ShardStatus, shardStatusSchema } from "../../../shards/protocol/status.ts";
import { invalidRequest } from "../body.ts";
import type { Call } from "../call.ts";
import { type Asked, bodiesOf, readAll } from "../orders/ask.ts";
import { noQuery, parseQuery } from "../orders/query.ts";
import { problemReply, Reply } from "../reply.ts";
import type { Edge, Route } from "../route.ts";

export const referenceRoutes = (edge: Edge): readonly Route[] => [
  {
    method: "GET",
    path: "/v1/instruments",
    scope: "read",
    handle: withoutQuery((call) => listInstruments(edge, call)),
  },
  {
    method: "GET",
    path: "/v1/time",
    scope: null,
    handle: withoutQuery(() => new Reply(200, `{"time":${edge.clock.now()}}`)),
  },
  {
    method: "GET",
    path: "/admin/v1/shards",
    scope: "admin",
    handle: withoutQuery((call) => listShards(edge, call)),
  },
];

/** Refuses whatever parameters a request has. */
export const withoutQuery =
  (handle: Route["handle"]): Route["handle"] =>
  (call) => {
    const query = parseQuery(call.request.url, noQuery);
    return query.ok ? handle(call) : invalidRequest(call, query.errors);
  };

/** By symbol. Shards know symbols of others too; the rules in force are those of the symbol's own. */
const listInstruments = async (edge: Edge, call: Call): Promise<Reply> => {
  const all = bodiesOf(await readAll(edge, call, { kind: "instruments" }));
  if ("problem" in all) return problemReply(call.requestId, all.problem);
  const { router } = edge;
  const items = all.bodies.flatMap((body, i) =>
    (JSON.parse(body) as InstrumentDescription[]).filter(
      ({ symbol }) => router.shardOfSymbol(symbol as InstrumentSymbol) === router.shards[i],
    ),
  );
  items.sort((a, b) => (a.symbol < b.symbol ? -1 : 1));
  return new Reply(200, JSON.stringify({ items, nextCursor: null }));
};

const listShards = async (edge: Edge, call: Call): Promise<Reply> => {
  const asked = await readAll(edge, call, { kind: "status" });
  const items = asked.map((one) => shardItem(edge, one));
  return new Reply(200, JSON.stringify({ items, nextCursor: null }));
};

/** What is known of a shard that does not say itself. */
interface SilentShard {
  readonly shard: string;
  readonly state: "unreachable";
  readonly reason: string;
  readonly epoch: number | null;
  readonly code: string;
  readonly status: number;
}

const shardItem = (edge: Edge, asked: Asked): ShardStatus | SilentShard => {
  if (asked.ok) return shardStatusSchema.parse(JSON.parse(asked.answer.body));
  const { shard, problem } = asked;
  const routed = edge.router.states().find((known) => known.shard === shard);
  const { code } = problem;
  return {
    shard,
    state: "unreachable",
    reason: routed?.detail ?? problem.detail,
    epoch: routed?.epoch ?? null,
    code,
    status: CODES[code].status,
  };
};
