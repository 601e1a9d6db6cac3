/** Requests that differ in their client order id and nothing else that costs. */
import { signBenchToken } from "../system/system.ts";

/** The bytes of one account's request; between `head` and `tail` goes a number of ten digits. */
export interface RequestTemplate {
  readonly head: string;
  readonly tail: string;
  /** Times are told apart by it; the open-loop generator alone looks at it. */
  readonly group?: string;
}

export interface Account {
  readonly token: string;
  readonly side: "BUY" | "SELL";
  readonly price: string;
}

export const ORDERS_PATH = "/v1/orders";
export const ACCOUNTS = 64;
/** Requests are numbered from here on, so that every number has ten digits. */
export const FIRST_NUMBER = 1_000_000_000;
const FIRST_ACCOUNT = 1001;

export const makeAccounts = (): Promise<readonly Account[]> =>
  Promise.all(
    Array.from({ length: ACCOUNTS }, async (_, i) => ({
      token: await signBenchToken(FIRST_ACCOUNT + i),
      side: i % 2 === 0 ? ("BUY" as const) : ("SELL" as const),
      price: `${50_000 + i}.10`,
    })),
  );

let runs = 0;
/** A prefix that no other run uses, always of one length. */
export const nextPrefix = (): string => {
  runs++;
  const time = Math.floor(Date.now() / 1000).toString(36);
  return `o-${time}-${runs.toString(36).padStart(4, "0")}-`;
};

export type RestingTime = "GTC" | "IOC";

/** One template an account, as a whole HTTP request; unique as long as numbers are. */
export const makeTemplates = (
  accounts: readonly Account[],
  port: number,
  timeInForce: RestingTime = "GTC",
): readonly RequestTemplate[] => {
  const prefix = nextPrefix();
  return accounts.map(({ token, side, price }) => {
    const before = `{"clientOrderId":"${prefix}`;
    const after =
      `","symbol":"BTCUSDT","side":"${side}","type":"LIMIT","timeInForce":"${timeInForce}",` +
      `"price":"${price}","quantity":"0.010"}`;
    const length = before.length + String(FIRST_NUMBER).length + after.length;
    const head =
      `POST ${ORDERS_PATH} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n` +
      `Authorization: Bearer ${token}\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${length}\r\n\r\n${before}`;
    return { head, tail: after };
  });
};
