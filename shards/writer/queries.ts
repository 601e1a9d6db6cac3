/** Answers what only reads, from the state after the latest commit. */

import type { Query } from "../domain/command.ts";
import { describeInstrument } from "../domain/instrument.ts";
import type { Order } from "../domain/order.ts";
import { renderOrder } from "../domain/order-body.ts";
import type { Answer } from "../protocol/answer.ts";
import type { ShardStatus } from "../protocol/status.ts";
import { orderAnswer, problemAnswer } from "./batch.ts";
import type { ShardState } from "./state.ts";
import type { WriterStore } from "./store-port.ts";

export interface QueryContext {
  readonly state: ShardState;
  readonly store: Pick<WriterStore, "findOutcome" | "readOrder">;
  readonly hashKey: (key: string) => number;
  readonly now: () => number;
  readonly status: () => ShardStatus;
  readonly metrics: () => Promise<unknown>;
}

type AnswerPart = Omit<Answer, "requestId" | "timing">;

export const answerQuery = async (context: QueryContext, query: Query): Promise<AnswerPart> => {
  const { state } = context;
  switch (query.kind) {
    case "get_order": {
      const order = state.openOrder(query.orderId) ?? context.store.readOrder(query.orderId);
      if (order?.accountId !== query.accountId) return notFound({ orderId: String(query.orderId) });
      return orderAnswer(order, state);
    }
    case "find_order":
      return findOrder(context, query);
    case "open_orders": {
      const orders = [...state.openOrdersOf(query.accountId)]
        .filter(({ symbol }) => query.symbol === null || symbol === query.symbol)
        .sort((a, b) => b.orderId - a.orderId);
      return json(`[${orders.map((order) => renderOrder(order, state.shard)).join(",")}]`);
    }
    case "instruments":
      return json(JSON.stringify([...state.instruments.values()].map(describeInstrument)));
    case "status":
      return json(JSON.stringify(context.status()));
    case "metrics":
      return json(JSON.stringify(await context.metrics()));
  }
};

const json = (body: string): AnswerPart => ({ status: 200, kind: "final", place: null, body });

/** By the outcome of the client order id; an order older than its outcome is still found if open. */
const findOrder = (
  context: QueryContext,
  query: Extract<Query, { kind: "find_order" }>,
): AnswerPart => {
  const { state, store } = context;
  const { accountId, symbol, clientOrderId } = query;
  const hash = context.hashKey(`${accountId}:${symbol}:${clientOrderId}`);
  const outcome = store.findOutcome({ accountId, symbol, clientOrderId, hash }, context.now());
  const orderId = outcome?.orderId ?? null;
  const order: Order | undefined =
    (orderId === null ? undefined : (state.openOrder(orderId) ?? store.readOrder(orderId))) ??
    [...state.openOrdersOf(accountId)].find(
      (open) => open.symbol === symbol && open.clientOrderId === clientOrderId,
    );
  return order === undefined ? notFound({ symbol, clientOrderId }) : orderAnswer(order, state);
};

const notFound = (context: Readonly<Record<string, string>>): AnswerPart =>
  problemAnswer({
    code: "order_not_found",
    detail: "The account has no such order on this shard.",
    context,
  });
