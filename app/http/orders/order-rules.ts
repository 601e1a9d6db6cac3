/** Rules between the fields of an order, which no single field can tell. */
import { isConditional, isMarket } from "../../../shards/domain/order.ts";
import type { FieldError } from "../../../shards/domain/problem.ts";
import type { SentOrder } from "./order-schema.ts";

type Add = (path: string, reason: string) => void;

/** undefined when all hold, so that a good order allocates nothing here. */
export const ruleErrors = (order: SentOrder): readonly FieldError[] | undefined => {
  let errors: FieldError[] | undefined;
  const add: Add = (path, reason) => {
    errors ??= [];
    errors.push({ path, reason });
  };
  checkQuantity(order, add);
  if (isMarket(order.type)) checkMarket(order, add);
  else checkLimit(order, add);
  checkTrigger(order, add);
  if (order.takeProfit !== undefined || order.stopLoss !== undefined) checkChildren(order, add);
  return errors;
};

const checkQuantity = (order: SentOrder, add: Add): void => {
  const { type, quantity, closePosition, reduceOnly } = order;
  if (closePosition !== true) {
    if (quantity === undefined) add("quantity", "is required");
    return;
  }
  if (type !== "STOP_MARKET" && type !== "TAKE_PROFIT_MARKET") {
    add("closePosition", `does not go with ${type}`);
  }
  if (quantity !== undefined) add("quantity", "does not go with closePosition");
  if (reduceOnly === false) add("reduceOnly", "is true with closePosition");
};

const checkMarket = ({ type, price, timeInForce, goodTillDate }: SentOrder, add: Add): void => {
  if (price !== undefined) add("price", `does not go with ${type}`);
  if (timeInForce !== undefined) add("timeInForce", `does not go with ${type}`);
  if (goodTillDate !== undefined) add("goodTillDate", `does not go with ${type}`);
};

const checkLimit = ({ type, price, timeInForce, goodTillDate }: SentOrder, add: Add): void => {
  if (price === undefined) add("price", `is required for ${type}`);
  if (timeInForce === "GTD" && goodTillDate === undefined) {
    add("goodTillDate", "is required for GTD");
  }
  if (timeInForce !== "GTD" && goodTillDate !== undefined) {
    add("goodTillDate", "goes with timeInForce GTD only");
  }
};

const checkTrigger = ({ type, stopPrice, workingType }: SentOrder, add: Add): void => {
  if (isConditional(type)) {
    if (stopPrice === undefined) add("stopPrice", `is required for ${type}`);
    return;
  }
  if (stopPrice !== undefined) add("stopPrice", `does not go with ${type}`);
  if (workingType !== undefined) add("workingType", `does not go with ${type}`);
};

/** Children close what their parent opens; ids are the keys of three orders, so all differ. */
const checkChildren = (order: SentOrder, add: Add): void => {
  const seen = new Set([order.clientOrderId]);
  for (const name of ["takeProfit", "stopLoss"] as const) {
    const child = order[name];
    if (child === undefined) continue;
    if (isConditional(order.type)) add(name, `does not go with ${order.type}`);
    if (order.reduceOnly === true) add(name, "does not go with reduceOnly");
    const { clientOrderId } = child;
    if (clientOrderId === undefined) continue;
    if (seen.has(clientOrderId)) {
      add(`${name}.clientOrderId`, "is the id of another order of this request");
    }
    seen.add(clientOrderId);
  }
};
