/** Answers what only reads, from the state after the latest commit. */

import type { Query } from "../domain/command.ts";
import { decideCheck } from "../domain/decide.ts";
import { describeInstrument } from "../domain/instrument.ts";
import type { Order } from "../domain/order.ts";
import { renderOrder } from "../domain/order-body.ts";
import type { Problem } from "../domain/problem.ts";
import type { Answer } from "../protocol/answer.ts";
import type { ShardStatus } from "../protocol/status.ts";
import { orderAnswer, problemAnswer } from "./answers.ts";
import { whyUnsettled } from "./batch.ts";
import { Overlay } from "./overlay.ts";
import { describeAccount, describePositions } from "./risk/account-queries.ts";
import type { ShardState } from "./state.ts";
import type { WriterStore } from "./store-port.ts";

export interface QueryContext {
  readonly state: ShardState;
  readonly store: Pick<WriterStore, "findOutcome" | "readOrder" | "hasExecution">;
  readonly hashKey: (key: string) => number;
  /** Why no new order is taken now. */
  readonly admission: () => Problem | undefined;
  readonly openOrdersMax: number;
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
    case "check":
      return json(check(context, query));
    case "positions":
      return json(describePositions(state, query.accountId));
    case "account":
      return json(describeAccount(state, query.accountId));
    case "instruments":
      return json(JSON.stringify([...state.instruments.values()].map(describeInstrument)));
    case "status":
      return json(JSON.stringify(context.status()));
    case "metrics":
      return json(JSON.stringify(await context.metrics()));
  }
};

const json = (body: string): AnswerPart => ({ status: 200, kind: "final", place: null, body });

/** Decided as a placement is, on a view that nobody keeps. */
const check = (context: QueryContext, query: Extract<Query, { kind: "check" }>): string => {
  const { state, store, hashKey, openOrdersMax } = context;
  const now = context.now();
  const admission = context.admission();
  const overlay = new Overlay(state, { store, hashKey, openOrdersMax, admission, now });
  const { accountId } = query;
  return decideCheck(overlay, accountId, query.request, now, (asset) =>
    whyUnsettled(overlay, { accountId, asset }),
  );
};

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
