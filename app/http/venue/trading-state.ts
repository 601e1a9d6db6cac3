/** The brake: what new orders may still do, for all, for a symbol or for an account. */
import { z } from "zod";
import type { AccountId, InstrumentSymbol, ShardName } from "../../../shards/domain/brands.ts";
import { CODES } from "../../../shards/domain/codes.ts";
import { TRADING_STATES, type TradingScope } from "../../../shards/domain/risk/types.ts";
import { invalidRequest, ORDER_BODY_BYTES_MAX, readBody } from "../body.ts";
import type { Call } from "../call.ts";
import { idText, symbol } from "../fields.ts";
import { withoutQuery } from "../operations/reference.ts";
import { ask } from "../orders/ask.ts";
import { Reply } from "../reply.ts";
import type { Edge, Route } from "../route.ts";

export const tradingStateSchema = z
  .strictObject({
    scope: z
      .strictObject({ symbol: symbol.optional(), account: idText.optional() })
      .meta({ description: "Empty: all. The most restrictive state of those that apply holds" }),
    state: z.enum(TRADING_STATES),
  })
  .meta({ id: "TradingStateRequest" });
type SentScope = z.infer<typeof tradingStateSchema>["scope"];

export const tradingStateRoutes = (edge: Edge): readonly Route[] => [
  {
    method: "PUT",
    path: "/admin/v1/trading-state",
    scope: "admin",
    handle: withoutQuery((call) => setState(edge, call)),
  },
];

/** One result a shard; one that is down is a result too, and asking again is safe. */
const setState = async (edge: Edge, call: Call): Promise<Reply> => {
  const body = await readBody(call, tradingStateSchema, ORDER_BODY_BYTES_MAX);
  if (body instanceof Reply) return body;
  const { scope: sent, state } = body.value;
  if (sent.symbol !== undefined && sent.account !== undefined) {
    return invalidRequest(call, [{ path: "scope", reason: "has symbol or account, not both" }]);
  }
  const scope = scopeOf(sent);
  const shards: readonly ShardName[] =
    scope.kind === "symbol" ? [edge.router.shardOfSymbol(scope.symbol)] : edge.router.shards;
  const results = await Promise.all(
    shards.map(async (shard) => {
      const asked = await ask(edge, call, shard, { kind: "trading_state", scope, state });
      if (asked.ok) return { shard, status: asked.answer.status, state };
      const { code } = asked.problem;
      return { shard, status: CODES[code].status, code };
    }),
  );
  return new Reply(200, JSON.stringify({ results }));
};

const scopeOf = ({ symbol: inSymbol, account }: SentScope): TradingScope => {
  if (inSymbol !== undefined) return { kind: "symbol", symbol: inSymbol as InstrumentSymbol };
  if (account !== undefined) return { kind: "account", accountId: Number(account) as AccountId };
  return { kind: "all" };
};
