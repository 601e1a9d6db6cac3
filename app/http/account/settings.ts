/** An account's choices: leverage and margin mode of a symbol, position mode of all of them. */
import { z } from "zod";
import type { InstrumentSymbol } from "../../../shards/domain/brands.ts";
import { CODES } from "../../../shards/domain/codes.ts";
import type { Problem } from "../../../shards/domain/problem.ts";
import { MARGIN_MODES, POSITION_MODES } from "../../../shards/domain/risk/types.ts";
import { invalidRequest, ORDER_BODY_BYTES_MAX, readBody } from "../body.ts";
import type { Call } from "../call.ts";
import { parseWith, symbol } from "../fields.ts";
import { withoutQuery } from "../operations/reference.ts";
import { type Asked, ask, read } from "../orders/ask.ts";
import { answerReply, problemReply, Reply } from "../reply.ts";
import type { Edge, Route } from "../route.ts";

const LEVERAGE_MAX = 1000;

export const symbolSettingsSchema = z
  .strictObject({
    leverage: z
      .int()
      .min(1)
      .max(LEVERAGE_MAX)
      .optional()
      .meta({ description: "Up to the instrument's; with positions, up to their bracket's" }),
    marginMode: z
      .enum(MARGIN_MODES)
      .optional()
      .meta({ description: "Changes without orders and positions in the symbol only" }),
  })
  .meta({ id: "SymbolSettingsRequest", description: "Leverage or margin mode or both" });

export const accountSettingsSchema = z
  .strictObject({ positionMode: z.enum(POSITION_MODES) })
  .meta({ id: "AccountSettingsRequest" });
type PositionMode = z.infer<typeof accountSettingsSchema>["positionMode"];

export const settingsRoutes = (edge: Edge): readonly Route[] => [
  {
    method: "PUT",
    path: "/v1/settings/:symbol",
    scope: "trade",
    handle: withoutQuery((call) => setForSymbol(edge, call)),
  },
  {
    method: "PUT",
    path: "/v1/settings",
    scope: "trade",
    handle: withoutQuery((call) => setForAccount(edge, call)),
  },
];

const pathSchema = z.strictObject({ symbol });

const setForSymbol = async (edge: Edge, call: Call): Promise<Reply> => {
  const path = parseWith(pathSchema, { symbol: call.pathId });
  if (!path.ok) return invalidRequest(call, path.errors);
  const body = await readBody(call, symbolSettingsSchema, ORDER_BODY_BYTES_MAX);
  if (body instanceof Reply) return body;
  const { leverage = null, marginMode = null } = body.value;
  if (leverage === null && marginMode === null) {
    return invalidRequest(call, [{ path: "", reason: "give leverage or marginMode" }]);
  }
  const inSymbol = path.value.symbol as InstrumentSymbol;
  const { accountId } = call;
  const asked = await ask(edge, call, edge.router.shardOfSymbol(inSymbol), {
    kind: "symbol_settings",
    accountId,
    symbol: inSymbol,
    leverage,
    marginMode,
  });
  return asked.ok
    ? answerReply(call.requestId, asked.answer)
    : problemReply(call.requestId, asked.problem);
};

/** Every shard is asked whether it could before the first one does. */
const setForAccount = async (edge: Edge, call: Call): Promise<Reply> => {
  const body = await readBody(call, accountSettingsSchema, ORDER_BODY_BYTES_MAX);
  if (body instanceof Reply) return body;
  const { positionMode } = body.value;
  const trial = (await setOnAll(edge, call, positionMode, true)).filter(isRefusal);
  const [obstacle] = trial;
  if (obstacle !== undefined) return problemReply(call.requestId, whereOf(obstacle, trial));
  const applied = await setOnAll(edge, call, positionMode, false);
  const failed = applied.filter(isRefusal);
  const [failure] = failed;
  if (failure === undefined) {
    const { accountId } = call;
    return new Reply(200, JSON.stringify({ accountId: String(accountId), positionMode }));
  }
  if (failed.length === applied.length) {
    return problemReply(call.requestId, whereOf(failure, failed));
  }
  return problemReply(call.requestId, halfWay(applied, failed));
};

const setOnAll = (
  edge: Edge,
  call: Call,
  positionMode: PositionMode,
  isTrial: boolean,
): Promise<readonly Asked[]> => {
  const { accountId } = call;
  const operation = { kind: "account_settings", accountId, positionMode, isTrial } as const;
  // A trial changes nothing, whether its answer comes or not.
  const send = isTrial ? read : ask;
  return Promise.all(edge.router.shards.map((shard) => send(edge, call, shard, operation)));
};

type Refusal = Extract<Asked, { ok: false }>;
const isRefusal = (asked: Asked): asked is Refusal => !asked.ok;

/** A shard that refuses goes before one that is silent: it is a reason, and it says what to do. */
const whereOf = (first: Refusal, all: readonly Refusal[]): Problem => {
  const { problem } = all.find((one) => CODES[one.problem.code].status < 500) ?? first;
  const same = all.filter((one) => one.problem.code === problem.code);
  const shards = same.map(({ shard }) => shard as string);
  return { ...problem, context: { ...problem.context, shards } };
};

/** An order came between the trial and the change: some shards have the new mode, some have not. */
const halfWay = (asked: readonly Asked[], failed: readonly Refusal[]): Problem => ({
  code: "outcome_unknown",
  detail: "Some shards have the new mode, others have not: ask again the same way.",
  context: {
    applied: asked.filter((one) => one.ok).map(({ shard }) => shard as string),
    notApplied: failed.map(({ shard, problem }) => `${shard}: ${problem.code}`),
  },
});
