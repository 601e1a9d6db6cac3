/** What symbols are held to be worth, from the exchange's index. */
import { z } from "zod";
import type { InstrumentSymbol } from "../../../shards/domain/brands.ts";
import { CODES, type Code } from "../../../shards/domain/codes.ts";
import type { VenueCommand } from "../../../shards/domain/command.ts";
import { canonicalDecimal } from "../../../shards/domain/decimal.ts";
import { type MarkResult, markResultSchema } from "../../../shards/protocol/account.ts";
import { BATCH_BODY_BYTES_MAX, readBody } from "../body.ts";
import type { Call } from "../call.ts";
import { decimal, symbol, timestamp } from "../fields.ts";
import { withoutQuery } from "../operations/reference.ts";
import { ask } from "../orders/ask.ts";
import { Reply } from "../reply.ts";
import type { Edge, Route } from "../route.ts";

const PRICES_MAX = 1000;

const markPriceSchema = z
  .strictObject({
    symbol,
    markPrice: decimal,
    at: timestamp.meta({
      description: "Milliseconds since 1970; an older one never replaces a newer one",
    }),
  })
  .meta({ id: "MarkPrice" });
type MarkPrice = z.infer<typeof markPriceSchema>;

export const markPricesSchema = z
  .strictObject({ prices: z.array(markPriceSchema).min(1).max(PRICES_MAX) })
  .meta({ id: "MarkPricesRequest" });

export const markPriceRoutes = (edge: Edge): readonly Route[] => [
  {
    method: "POST",
    path: "/admin/v1/mark-prices",
    scope: "admin",
    handle: withoutQuery((call) => takePrices(edge, call)),
  },
];

/** One mark price as it stands in a topic. Throws what zod throws. */
export const parseMarkPrice = (json: unknown): MarkCommand => markOf(markPriceSchema.parse(json));

type MarkCommand = Extract<VenueCommand, { kind: "mark" }>;

const markOf = ({ symbol: inSymbol, markPrice, at }: MarkPrice): MarkCommand => ({
  kind: "mark",
  symbol: inSymbol as InstrumentSymbol,
  price: canonicalDecimal(markPrice),
  at,
});

const takePrices = async (edge: Edge, call: Call): Promise<Reply> => {
  const body = await readBody(call, markPricesSchema, BATCH_BODY_BYTES_MAX);
  if (body instanceof Reply) return body;
  const results = await Promise.all(body.value.prices.map((price) => take(edge, call, price)));
  return new Reply(200, JSON.stringify({ results }));
};

/** `refused`: nobody can use it as it is. `unknown`: it may be sent again, or the next one. */
interface Result {
  readonly symbol: string;
  readonly status: MarkResult["status"] | "refused" | "unknown";
  readonly code?: Code;
  readonly detail?: string;
}

const take = async (edge: Edge, call: Call, sent: MarkPrice): Promise<Result> => {
  const inSymbol = sent.symbol as InstrumentSymbol;
  const asked = await ask(edge, call, edge.router.shardOfSymbol(inSymbol), markOf(sent));
  if (asked.ok) {
    const { status } = markResultSchema.parse(JSON.parse(asked.answer.body));
    return { symbol: sent.symbol, status };
  }
  const { code, detail } = asked.problem;
  const status = CODES[code].status < 500 ? "refused" : "unknown";
  return { symbol: sent.symbol, status, code, detail };
};
