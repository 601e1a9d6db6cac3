/**
 * Whether MySQL has what was accepted. Both systems have a table `orders` with the columns that are
 * asked here; each row of a run is compared with the scenario's order of the number in its id.
 */
import { createConnection, type RowDataPacket } from "mysql2/promise";
import { canonicalDecimal } from "../../shards/domain/decimal.ts";
import { FIRST_NUMBER } from "../load/orders.ts";
import type { Load } from "./load.ts";
import { fieldsOf, offsetFor, type Scenario, type Variant } from "./scenario.ts";

/** Decimals as text with all their zeros. */
export interface StoredOrder {
  readonly order_id: string;
  readonly account_id: string;
  readonly client_order_id: string;
  readonly symbol: string;
  readonly side: string;
  readonly type: string;
  readonly price: string;
  readonly quantity: string;
  readonly status: string;
}

export interface StoredChild {
  readonly parent_order_id: string;
  readonly symbol: string;
  readonly side: string;
  readonly type: string;
  readonly stop_price: string;
  readonly quantity: string;
}

/** What was found of a run. */
export interface Stored {
  /** Rows, each of the right content and with the right children. */
  readonly right: number;
  /** Rows that are not, or are there twice. */
  readonly wrong: number;
  /** One of the wrong ones. */
  readonly example: string | null;
}

export const readStored = async (
  databaseUrl: string,
  scenario: Scenario,
  { prefix }: Load,
  sent: number,
): Promise<Stored> => {
  const connection = await createConnection({
    uri: databaseUrl,
    supportBigNumbers: true,
    bigNumberStrings: true,
  });
  try {
    const [orders] = await connection.query<RowDataPacket[]>(
      "SELECT order_id, account_id, client_order_id, symbol, side, type, price, quantity, status " +
        "FROM orders WHERE client_order_id LIKE ?",
      [`${prefix}%`],
    );
    const [children] = await connection.query<RowDataPacket[]>(
      "SELECT child.parent_order_id, child.symbol, child.side, child.type, child.stop_price, " +
        "child.quantity FROM orders child JOIN orders parent " +
        "ON parent.order_id = child.parent_order_id WHERE parent.client_order_id LIKE ?",
      [`${prefix}%`],
    );
    return compareStored(
      scenario,
      sent,
      prefix,
      orders as StoredOrder[],
      children as StoredChild[],
    );
  } finally {
    await connection.end();
  }
};

export const compareStored = (
  scenario: Scenario,
  sent: number,
  prefix: string,
  orders: readonly StoredOrder[],
  children: readonly StoredChild[],
): Stored => {
  const childrenOf = Map.groupBy(children, ({ parent_order_id }) => parent_order_id);
  const seen = new Set<string>();
  let right = 0;
  let example: string | null = null;
  for (const order of orders) {
    const expected = expectedOf(scenario, sent, prefix, order.client_order_id);
    const found = describe(order, childrenOf.get(order.order_id) ?? []);
    if (expected === found && !seen.has(order.client_order_id)) right++;
    else example ??= `${order.client_order_id}: ${found} instead of ${expected}`;
    seen.add(order.client_order_id);
  }
  return { right, wrong: orders.length - right, example };
};

/** Everything of an order that counts, as one text. */
const describe = (order: StoredOrder, children: readonly StoredChild[]): string =>
  [
    order.account_id,
    order.symbol,
    order.side,
    order.type,
    canonicalDecimal(order.price),
    canonicalDecimal(order.quantity),
    order.status,
    ...children.map(describeChild).toSorted(),
  ].join(" ");

const describeChild = ({ type, symbol, side, stop_price, quantity }: StoredChild): string =>
  `[${type} ${symbol} ${side} ${canonicalDecimal(stop_price)} ${canonicalDecimal(quantity)}]`;

const expectedOf = (
  scenario: Scenario,
  sent: number,
  prefix: string,
  clientOrderId: string,
): string => {
  const number = Number(clientOrderId.slice(prefix.length));
  if (!(number > FIRST_NUMBER)) return "no order of the scenario";
  const { trader, variant } = scenario.orderAt(number, offsetFor(sent));
  const { symbol, side, type, price, quantity } = fieldsOf(variant);
  const order_id = "";
  const account_id = String(trader.accountId);
  const parent = { order_id, account_id, client_order_id: clientOrderId, status: "NEW" };
  return describe({ ...parent, symbol, side, type, price, quantity }, childrenOf(variant));
};

const childrenOf = (variant: Variant): readonly StoredChild[] => {
  const { takeProfit, stopLoss, symbol, quantity, side } = {
    takeProfit: undefined,
    stopLoss: undefined,
    ...fieldsOf(variant),
  };
  const common = { parent_order_id: "", symbol, quantity, side: side === "BUY" ? "SELL" : "BUY" };
  return [
    ...(takeProfit === undefined
      ? []
      : [{ ...common, type: "TAKE_PROFIT_MARKET", stop_price: takeProfit.stopPrice }]),
    ...(stopLoss === undefined
      ? []
      : [{ ...common, type: "STOP_MARKET", stop_price: stopLoss.stopPrice }]),
  ];
};
