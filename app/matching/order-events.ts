/** What a committed record means to a matching engine. */
import type { AccountId, InstrumentSymbol, OrderId } from "../../shards/domain/brands.ts";
import { parseUnits } from "../../shards/domain/decimal.ts";
import type { ChangeReason } from "../../shards/domain/event.ts";
import type { Order } from "../../shards/domain/order.ts";
import type { OrderBody } from "../../shards/domain/order-body.ts";
import type { RecordType } from "../../shards/protocol/record.ts";
import type { Amendment, MatchedOrder } from "./matcher.ts";

/** An order as the matcher and the writing of its executions need it. */
export interface VenueOrder extends MatchedOrder {
  readonly symbol: InstrumentSymbol;
  /** null for a market order that names no price: its symbol's other orders tell. */
  readonly priceScale: number | null;
  readonly quantityScale: number;
  readonly status: Order["status"];
  readonly amendment: Amendment | null;
}

export type OrderNews =
  /** It is live now: accepted so, or triggered. */
  | { readonly kind: "live"; readonly order: VenueOrder }
  | { readonly kind: "cancel_requested"; readonly order: VenueOrder }
  | { readonly kind: "amend_requested"; readonly order: VenueOrder }
  /** The shard has changed it, mostly because of an execution of ours. */
  | { readonly kind: "heard"; readonly order: VenueOrder };

/** undefined for a record that is not about a live order. */
export const newsOf = (type: RecordType | undefined, value: string): OrderNews | undefined => {
  if (type !== "order_accepted" && type !== "order_changed") return undefined;
  const body = JSON.parse(value) as OrderBody & { version?: number; reason?: ChangeReason };
  const order = venueOrderOf(body);
  if (order.status === "PENDING" || order.status === "UNTRIGGERED") return undefined;
  if (type === "order_accepted" || body.reason === "TRIGGERED") {
    return order.status === "NEW" ? { kind: "live", order } : undefined;
  }
  if (body.reason === "CANCEL_REQUESTED" || isCut(order, body.reason)) {
    return { kind: "cancel_requested", order };
  }
  if (body.reason === "AMEND_REQUESTED") return { kind: "amend_requested", order };
  return { kind: "heard", order };
};

/** The shard's own wish: the order no longer fits the position that it reduces. */
const isCut = ({ status }: VenueOrder, reason: ChangeReason | undefined): boolean =>
  reason === "REDUCED" && status === "PENDING_CANCEL";

/** Of an order that was open when the engine started. */
export const newsOfOpen = (order: Order): readonly OrderNews[] => {
  if (order.status === "PENDING" || order.status === "UNTRIGGERED") return [];
  const { amendment, version } = order;
  const known = { ...order, amendment: amendment === null ? null : { ...amendment, version } };
  const live = { kind: "live", order: known } as const;
  if (order.status === "PENDING_CANCEL") return [live, { ...live, kind: "cancel_requested" }];
  return amendment === null ? [live] : [live, { ...live, kind: "amend_requested" }];
};

/** Records show every price and quantity in the instrument's decimals. */
const scaleOf = (text: string): number => {
  const point = text.indexOf(".");
  return point < 0 ? 0 : text.length - 1 - point;
};

const venueOrderOf = (body: OrderBody & { readonly version?: number }): VenueOrder => {
  const quantityScale = scaleOf(body.quantity);
  const priceText = body.price ?? body.stopPrice;
  const priceScale = priceText === undefined ? null : scaleOf(priceText);
  const quantity = (text: string): number => parseUnits(text, quantityScale) as number;
  const price = (text: string): number => parseUnits(text, priceScale ?? 0) as number;
  const version = body.version ?? 1;
  const { amendment } = body;
  return {
    orderId: Number(body.orderId) as OrderId,
    accountId: Number(body.accountId) as AccountId,
    symbol: body.symbol as InstrumentSymbol,
    side: body.side,
    type: body.type,
    timeInForce: body.timeInForce,
    priceUnits: body.price === null ? null : price(body.price),
    quantityUnits: quantity(body.quantity),
    executedUnits: quantity(body.executedQuantity),
    priceScale,
    quantityScale,
    selfTradePrevention: body.selfTradePrevention ?? "NONE",
    status: body.status,
    version,
    amendment:
      amendment === undefined
        ? null
        : {
            priceUnits: price(amendment.price),
            quantityUnits: quantity(amendment.quantity),
            version,
          },
  };
};
