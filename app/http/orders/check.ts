/** What an order would meet if it were placed now; nothing is stored. */
import { CODES } from "../../../shards/domain/codes.ts";
import {
  type ShardAccount,
  type ShardCheck,
  shardCheckSchema,
} from "../../../shards/protocol/account.ts";
import { accountsOnShards, balanceOf, minorOf } from "../account/balances.ts";
import { invalidRequest, ORDER_BODY_BYTES_MAX, readJson } from "../body.ts";
import type { Call } from "../call.ts";
import { problemReply, Reply } from "../reply.ts";
import type { Edge, Route } from "../route.ts";
import { read } from "./ask.ts";
import { parseOrder } from "./parse-order.ts";
import { noQuery, parseQuery } from "./query.ts";

export const checkRoutes = (edge: Edge): readonly Route[] => [
  {
    method: "POST",
    path: "/v1/orders/check",
    scope: "trade",
    handle: (call) => checkOrder(edge, call),
  },
];

/** The order's shard decides; all shards say what the account has, wherever it is. */
const checkOrder = async (edge: Edge, call: Call): Promise<Reply> => {
  const limited = await edge.orderLimit(call, 1);
  if (limited !== undefined) return limited;
  const query = parseQuery(call.request.url, noQuery);
  if (!query.ok) return invalidRequest(call, query.errors);
  const json = await readJson(call, ORDER_BODY_BYTES_MAX);
  if (json instanceof Reply) return json;
  const parsed = parseOrder(json);
  if (!parsed.ok) return problemReply(call.requestId, parsed.problem, parsed.errors);
  const { accountId } = call;
  const request = parsed.value;
  const shard = edge.router.shardOfSymbol(request.symbol);
  const [asked, accounts] = await Promise.all([
    read(edge, call, shard, { kind: "check", accountId, request }),
    accountsOnShards(edge, call),
  ]);
  if (!asked.ok) return problemReply(call.requestId, asked.problem);
  if (accounts instanceof Reply) return accounts;
  const check = shardCheckSchema.parse(JSON.parse(asked.answer.body));
  return new Reply(200, JSON.stringify({ shard, ...mergeCheck(check, accounts) }));
};

/**
 * The shard knows the rights that it holds; rights of others come to it with a grant. An order is
 * short of margin only when the whole account is.
 */
export const mergeCheck = (check: ShardCheck, accounts: readonly ShardAccount[]) => {
  const { asset, required } = check;
  const numbers = numbersOf(check);
  if (asset === null || asset === undefined) {
    return { ...verdictOf(check), ...numbers, available: null, free: null, held: [] };
  }
  const { available, free, shards } = balanceOf(asset, accounts);
  const held = shards.map(({ shard, rights, used, unused }) => ({ shard, rights, used, unused }));
  const isShortHere = check.code === "margin_insufficient" && typeof required === "string";
  const verdict = isShortHere ? verdictOverall(asset, required, available) : verdictOf(check);
  return { ...verdict, ...numbers, available, free, held };
};

const ACCEPTED = { decision: "accepted", status: 201 } as const;

const verdictOf = ({ decision, code, detail, context, isReplay }: ShardCheck) => {
  if (decision === "refused" && code !== undefined) {
    return { decision, status: CODES[code].status, code, detail, context, isReplay };
  }
  return isReplay === true ? { ...ACCEPTED, status: 200, isReplay } : ACCEPTED;
};

const verdictOverall = (asset: string, required: string, available: string) =>
  minorOf(required) <= minorOf(available)
    ? ACCEPTED
    : ({
        decision: "refused",
        status: CODES.margin_insufficient.status,
        code: "margin_insufficient",
        detail: `The order needs ${required} ${asset}, and ${available} are available.`,
        context: { asset, required, available },
      } as const);

const numbersOf = (check: ShardCheck) => ({
  asset: check.asset ?? null,
  required: check.required ?? null,
  leverage: check.leverage ?? null,
  notional: check.notional ?? null,
  fees: check.fees ?? null,
  openLoss: check.openLoss ?? null,
  markPrice: check.markPrice ?? null,
});
