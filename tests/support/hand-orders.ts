/** Orders that a test places one by one; they count in the ledger like those of a load. */
import { tokenOf } from "./client.ts";
import { bodyOf } from "./ledger.ts";
import type { SentOrder } from "./load.ts";

export type Ack = "local" | "replicated" | "central";

export interface Placed {
  readonly status: number;
  readonly body: string;
  /** `Sluice-Durability`; null when the answer has none. */
  readonly durability: string | null;
  /** Of a problem. */
  readonly code: string | null;
}

const REQUEST_MS_MAX = 60_000;
/** No load has this account. */
const ACCOUNT = 901;

export class HandOrders {
  readonly orders: SentOrder[] = [];
  readonly faults: string[] = [];
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  /** What was not taken, a 503, does not count as sent. */
  async place(clientOrderId: string, ack: Ack = "local"): Promise<Placed> {
    const request = {
      clientOrderId,
      symbol: "BTCUSDT",
      side: "BUY",
      type: "LIMIT",
      price: "50000.10",
      quantity: "0.010",
    };
    const response = await this.#send("POST", `/v1/orders?ack=${ack}`, request);
    const body = await response.text();
    const replayed = response.headers.get("idempotency-replayed") === "true";
    const { status } = response;
    if (status < 300) {
      const answer = { status: replayed ? 200 : 201, body, replayed };
      const { symbol } = request;
      const cancel = "none";
      this.orders.push({
        account: ACCOUNT,
        request,
        symbol,
        status: 201,
        answers: [answer],
        cancel,
      });
    }
    const { code = null } = JSON.parse(body) as { readonly code?: string };
    return { status, body, durability: response.headers.get("sluice-durability"), code };
  }

  /** Gives the status of the answer. */
  async cancel(order: SentOrder): Promise<number> {
    const { orderId } = JSON.parse(bodyOf(order)) as { readonly orderId: string };
    const response = await this.#send("DELETE", `/v1/orders/${orderId}`);
    await response.text();
    if (response.status === 200) order.cancel = "done";
    return response.status;
  }

  async #send(method: string, path: string, body?: object): Promise<Response> {
    const headers = {
      authorization: `Bearer ${await tokenOf(ACCOUNT)}`,
      "content-type": "application/json",
    };
    const signal = AbortSignal.timeout(REQUEST_MS_MAX);
    const sent = body === undefined ? {} : { body: JSON.stringify(body) };
    return fetch(`${this.#url}${path}`, { method, headers, signal, ...sent });
  }
}
