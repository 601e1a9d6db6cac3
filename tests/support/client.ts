/** Requests as a client of the exchange sends them. */

import { signToken } from "../../app/tokens/sign.ts";
import type { AccountId } from "../../shards/domain/brands.ts";
import { systemClock } from "../../shards/process/clock.ts";
import type { ShardStatus } from "../../shards/protocol/status.ts";
import { until } from "./until.ts";

/** What the servers of these tests verify with. */
export const SECRET = "a-secret-of-the-system-tests-only-0123456789";

const TOKEN_TTL_MS = 3_600_000;

export const tokenOf = (account: number, secret = SECRET): Promise<string> =>
  signToken(secret, {
    accountId: account as AccountId,
    scopes: ["read", "trade", "admin"],
    ttlMs: TOKEN_TTL_MS,
    clock: systemClock,
  });

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
  readonly replayed: boolean;
}

/** The fields of `POST /v1/orders`. */
export type OrderFields = Readonly<Record<string, string | number>>;

export type Method = "GET" | "POST" | "DELETE" | "PATCH";

/** One account at one server. Throws when the connection is lost before an answer. */
export class Client {
  readonly url: string;
  readonly account: number;
  readonly #headers: Record<string, string>;

  constructor(url: string, account: number, token: string) {
    this.url = url;
    this.account = account;
    this.#headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  }

  async send(method: Method, path: string, body?: OrderFields | object): Promise<HttpAnswer> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: this.#headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(REQUEST_MS_MAX),
    });
    return {
      status: response.status,
      body: await response.text(),
      replayed: response.headers.get("idempotency-replayed") === "true",
    };
  }

  place(order: OrderFields): Promise<HttpAnswer> {
    return this.send("POST", "/v1/orders", order);
  }

  order(orderId: string): Promise<HttpAnswer> {
    return this.send("GET", `/v1/orders/${orderId}`);
  }

  cancel(orderId: string): Promise<HttpAnswer> {
    return this.send("DELETE", `/v1/orders/${orderId}`);
  }

  /** All of the account's orders in central, newest first, page by page. */
  async history(): Promise<Record<string, unknown>[]> {
    const items: Record<string, unknown>[] = [];
    let cursor = "";
    do {
      const { status, body } = await this.send("GET", `/v1/orders?limit=1000${cursor}`);
      if (status !== 200) throw new Error(`history: ${status} ${body}`);
      const page = JSON.parse(body) as {
        items: Record<string, unknown>[];
        nextCursor: string | null;
      };
      items.push(...page.items);
      cursor = page.nextCursor === null ? "" : `&cursor=${encodeURIComponent(page.nextCursor)}`;
    } while (cursor !== "");
    return items;
  }

  async shards(): Promise<ShardView[]> {
    const { status, body } = await this.send("GET", "/admin/v1/shards");
    if (status !== 200) throw new Error(`shards: ${status} ${body}`);
    return (JSON.parse(body) as { items: ShardView[] }).items;
  }
}

const REQUEST_MS_MAX = 60_000;

/** As `/admin/v1/shards` shows a shard that answers. */
export type ShardView = Partial<ShardStatus> & { readonly shard: string; readonly state: string };

export const clientOf = async (url: string, account: number): Promise<Client> =>
  new Client(url, account, await tokenOf(account));

export const isReady = async (url: string): Promise<boolean> => {
  try {
    const response = await fetch(`${url}/readyz`);
    await response.text();
    return response.ok;
  } catch {
    return false;
  }
};

/** Every shard answers, and central has everything that they have committed. */
export const centralHasAll = async (client: Client, msMax = 60_000): Promise<void> => {
  await until("central has every record", msMax, async () => {
    const shards = await client.shards();
    return shards.every(({ central }) => central?.lagRecords === 0);
  });
};

/** Central has everything that had been committed by this call, whatever is committed meanwhile. */
export const centralHasThis = async (client: Client, msMax: number): Promise<void> => {
  const ends = new Map((await client.shards()).map(({ shard, commitSeq }) => [shard, commitSeq]));
  await until("central has what was committed", msMax, async () => {
    const shards = await client.shards();
    return shards.every(({ shard, commitSeq = 0, central }) => {
      const end = ends.get(shard);
      return end !== undefined && central !== undefined && commitSeq - central.lagRecords >= end;
    });
  });
};
