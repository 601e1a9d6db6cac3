/** Single orders and cancels beside a load, from accounts of their own. */

import { nextPrefix, ORDERS_PATH } from "../load/orders.ts";
import { type ProbeOptions, type Probes, requestsOf, runProbe } from "../load/probe.ts";
import type { Trader } from "../risk/accounts.ts";
import type { EntrySystem, OrdersBench } from "./entry-system.ts";
import { BATCH_PATH, orderFields } from "./requests.ts";

type Timing = Omit<ProbeOptions, "send">;

/** As many as a batch may have. */
const POOL_BATCH = 100;
/** A busy system sheds some of them. */
const POOL_TRIES_MAX = 10;

const headersOf = ({ token }: Trader) => ({
  authorization: `Bearer ${token}`,
  "content-type": "application/json",
});

/** The prober whose turn it is, and the order that it places then. */
const turnOf = ({ probers }: OrdersBench, number: number) => {
  const place = number % probers.length;
  const trader = probers[place] as Trader;
  return { trader, fields: orderFields(place, Math.floor(number / probers.length)) };
};

/** An order each time it is called; the numbers may not repeat. */
export const orderPlacer = (bench: OrdersBench, url: string) => {
  const prefix = nextPrefix();
  return (number: number): Promise<Response> => {
    const { trader, fields } = turnOf(bench, number);
    return fetch(`${url}${ORDERS_PATH}`, {
      method: "POST",
      headers: headersOf(trader),
      body: JSON.stringify({ clientOrderId: `${prefix}${number}`, ...fields }),
    });
  };
};

export const probeOrders = (
  bench: OrdersBench,
  { url }: EntrySystem,
  timing: Timing,
): Promise<Probes> => {
  const place = orderPlacer(bench, url);
  return runProbe({ ...timing, send: async (number) => statusOf(await place(number)) });
};

/** Reads the answer to its end. */
const statusOf = async (answer: Response): Promise<number> => {
  await answer.arrayBuffer();
  return answer.status;
};

interface Resting {
  readonly trader: Trader;
  readonly orderId: string;
}

/** Places as many orders as it will cancel; the run begins when it is called. */
export const prepareCancels = async (
  bench: OrdersBench,
  { url }: EntrySystem,
  timing: Timing,
): Promise<() => Promise<Probes>> => {
  const count = requestsOf(timing);
  const resting: Resting[] = [];
  for (let batch = 0; resting.length < count; batch++) {
    if (batch > POOL_TRIES_MAX * (1 + count / POOL_BATCH)) {
      throw new Error(
        `${resting.length} of ${count} orders that are to be cancelled were accepted`,
      );
    }
    const place = batch % bench.probers.length;
    const trader = bench.probers[place] as Trader;
    const prefix = nextPrefix();
    const orders = Array.from({ length: POOL_BATCH }, (_, i) => ({
      clientOrderId: `${prefix}${i}`,
      ...orderFields(place, i),
    }));
    const answer = await fetch(`${url}${BATCH_PATH}`, {
      method: "POST",
      headers: headersOf(trader),
      body: JSON.stringify({ orders }),
    });
    resting.push(...restingIn(trader, await answer.text()));
  }
  return () =>
    runProbe({
      ...timing,
      send: async (number) => {
        const { trader, orderId } = resting[number] as Resting;
        const headers = headersOf(trader);
        return statusOf(
          await fetch(`${url}${ORDERS_PATH}/${orderId}`, { method: "DELETE", headers }),
        );
      },
    });
};

/** Those of the batch that were accepted. */
const restingIn = (trader: Trader, answer: string): readonly Resting[] => {
  const { results = [] } = JSON.parse(answer) as {
    readonly results?: readonly { readonly status: number; readonly body: { orderId: string } }[];
  };
  return results
    .filter(({ status }) => status === 201)
    .map(({ body }) => ({ trader, orderId: body.orderId }));
};
