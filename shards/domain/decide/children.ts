/**
 * Attached children: a take-profit and a stop-loss that are accepted with their parent, in the same
 * transaction. Their life: docs/RULES.md.
 */
import type { AccountId, CanonicalDecimal, ClientOrderId, OrderId } from "../brands.ts";
import { canonicalDecimal, formatUnits } from "../decimal.ts";
import type { OrderAccepted } from "../event.ts";
import {
  type ChildRequest,
  childClientOrderId,
  isOpen,
  type Order,
  type OrderChild,
  type OrderRequest,
  type OrderType,
} from "../order.ts";
import type { Problem } from "../problem.ts";
import type { Changes } from "./changes.ts";
import type { ChildUnits } from "./rules.ts";
import type { DecisionView } from "./types.ts";

const KINDS = { takeProfit: "tp", stopLoss: "sl" } as const;
const FIELDS = ["takeProfit", "stopLoss"] as const;

export const childTypeOf = (field: ChildUnits["field"], { price }: ChildRequest): OrderType => {
  if (field === "takeProfit") return price === null ? "TAKE_PROFIT_MARKET" : "TAKE_PROFIT";
  return price === null ? "STOP_MARKET" : "STOP";
};

/** Each of an order's children has an id that the account has not used in the symbol. */
export const checkChildIds = (
  view: DecisionView,
  accountId: AccountId,
  request: OrderRequest,
): Problem | null => {
  const taken = new Set<ClientOrderId>([request.clientOrderId]);
  for (const field of FIELDS) {
    const clientOrderId = request[field]?.clientOrderId ?? null;
    if (clientOrderId === null) continue;
    if (
      taken.has(clientOrderId) ||
      view.outcome(accountId, request.symbol, clientOrderId) !== undefined
    ) {
      const path = `${field}.clientOrderId`;
      return {
        code: "client_order_id_reused",
        detail: `${path} ${clientOrderId} was used for another order.`,
        context: { clientOrderId, fields: [path] },
      };
    }
    taken.add(clientOrderId);
  }
  return null;
};

/** An order id from which ids for its children can be made that nobody has used yet. */
export const nextParentId = (
  view: DecisionView,
  accountId: AccountId,
  request: OrderRequest,
): OrderId => {
  const needs = FIELDS.filter((field) => request[field]?.clientOrderId === null);
  const isFree = (orderId: OrderId): boolean =>
    needs.every((field) => {
      const made = childClientOrderId(KINDS[field], orderId);
      return view.outcome(accountId, request.symbol, made) === undefined;
    });
  let orderId = view.nextOrderId();
  while (!isFree(orderId)) orderId = view.nextOrderId();
  return orderId;
};

/** What the parent's body says of its children. Takes an order id for each. */
export const namedChildren = (
  view: DecisionView,
  parentId: OrderId,
  request: OrderRequest,
  children: readonly ChildUnits[],
  priceScale: number,
): readonly OrderChild[] =>
  children.map(({ field, type, stopPriceUnits, priceUnits, workingType }) => ({
    orderId: view.nextOrderId(),
    clientOrderId: request[field]?.clientOrderId ?? childClientOrderId(KINDS[field], parentId),
    type,
    stopPrice: formatUnits(stopPriceUnits, priceScale),
    price: priceUnits === null ? null : formatUnits(priceUnits, priceScale),
    workingType,
  }));

/** The children's own acceptances, which follow their parent's. */
export const acceptedChildren = (
  view: DecisionView,
  parent: Order,
  units: readonly ChildUnits[],
): readonly OrderAccepted[] =>
  units.map(({ priceUnits, stopPriceUnits }, index) => {
    const child = parent.children[index];
    if (child === undefined) throw new Error(`order ${parent.orderId} lacks child ${index}`);
    const stamp = view.nextStamp(parent.symbol);
    const order: Order = {
      ...parent,
      orderId: child.orderId,
      clientOrderId: child.clientOrderId,
      side: parent.side === "BUY" ? "SELL" : "BUY",
      type: child.type,
      timeInForce: priceUnits === null ? null : "GTC",
      goodTillDate: null,
      priceUnits,
      stopPriceUnits,
      workingType: child.workingType,
      reduceOnly: true,
      closePosition: false,
      children: [],
      parentId: parent.orderId,
      marginPriceUnits: 0,
      openLossMinor: 0n,
      status: isOpen(parent.status) ? "PENDING" : "CANCELED",
      receipt: stamp,
    };
    return { type: "order_accepted", stamp, request: requestOf(order, child), order };
  });

/** As if the child had been sent on its own: what its client order id is compared with. */
const requestOf = (order: Order, child: OrderChild): OrderRequest => ({
  clientOrderId: order.clientOrderId,
  symbol: order.symbol,
  side: order.side,
  type: order.type,
  timeInForce: order.timeInForce,
  goodTillDate: null,
  price: child.price === null ? null : canonicalDecimal(child.price),
  quantity: canonicalQuantity(order),
  stopPrice: canonicalDecimal(child.stopPrice),
  workingType: order.workingType,
  reduceOnly: true,
  closePosition: false,
  positionSide: order.positionSide,
  selfTradePrevention: order.selfTradePrevention,
  takeProfit: null,
  stopLoss: null,
});

const canonicalQuantity = ({ quantityUnits, quantityScale }: Order): CanonicalDecimal =>
  canonicalDecimal(formatUnits(quantityUnits, quantityScale));

/** After a fill of `parent`: its children wait for their price, sized to what is filled. */
export const activateChildren = (changes: Changes, parent: Order): void => {
  for (const { orderId } of parent.children) {
    const child = changes.order(orderId);
    if (child?.status !== "PENDING" && child?.status !== "UNTRIGGERED") continue;
    const change = { status: "UNTRIGGERED", quantityUnits: parent.executedUnits } as const;
    changes.change(child, change, "ACTIVATED");
  }
};

/**
 * `child` was triggered: its siblings end, and so does what still rests of the parent, which would
 * open a position that nothing protects any more.
 */
export const endBracket = (changes: Changes, child: Order): void => {
  const { parentId, accountId, symbol, orderId } = child;
  if (parentId === null) return;
  // The parent may be closed, and gone from the shard, long before its children are.
  const open = changes.openOrdersIn(accountId, symbol);
  for (const other of open) {
    if (other.parentId === parentId && other.orderId !== orderId) changes.cancel(other);
  }
  const parent = open.find((other) => other.orderId === parentId);
  if (parent !== undefined) changes.cancel(parent);
};
