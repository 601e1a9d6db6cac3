/**
 * Sends one row of a tape until its answer is certain. The client order id is made of the row's
 * line and text, so a row sent again, in this run or the next, is the same order.
 */
import type { AccountId } from "../../../shards/domain/brands.ts";
import type { Clock } from "../../../shards/process/clock.ts";
import { UsageError } from "../../../shards/process/failure.ts";
import type { RowOutcome } from "./tally.ts";
import type { TapeRow } from "./tape.ts";

export interface OrderSenderOptions {
  /** Of the server, without a path. */
  readonly url: string;
  readonly tokenFor: (account: AccountId) => Promise<string>;
  /** Accounts 1 … n take turns, row by row. */
  readonly accounts: number;
  readonly clock: Clock;
  /** After this long without a certain answer a row is given up, ms. */
  readonly rowTimeMsMax: number;
}

export type OrderSender = (row: TapeRow) => Promise<RowOutcome>;

/** The same row gives the same id; a row of another tape gives another. */
export const clientOrderIdOf = (row: TapeRow): string =>
  `r${row.line}-${Bun.hash.wyhash(row.text).toString(36)}`;

/** Row 2 (the first) is account 1's. */
export const accountOf = (row: TapeRow, accounts: number): AccountId =>
  (1 + ((row.line - 2) % accounts)) as AccountId;

/** The pause before asking again when the server names none, ms. */
const PAUSE_MS = 250;
const PAUSE_MS_MAX = 10_000;
/** Servers answer by their own deadline, 5 s unless configured; this is for one that hangs. */
const REQUEST_MS_MAX = 30_000;

export const createOrderSender =
  (options: OrderSenderOptions): OrderSender =>
  async (row) => {
    const startedMs = options.clock.monotonicMs();
    const account = accountOf(row, options.accounts);
    const body = bodyOf(row);
    let wasUnknown = false;
    for (;;) {
      const attempt = await sendOnce(options, account, body);
      if (attempt.type === "answered") return outcomeOf(attempt, wasUnknown);
      wasUnknown ||= attempt.type === "unknown";
      const elapsedMs = options.clock.monotonicMs() - startedMs;
      if (elapsedMs + attempt.pauseMs > options.rowTimeMsMax) {
        return wasUnknown ? { type: "unknown" } : { type: "notTaken", code: attempt.code };
      }
      await Bun.sleep(attempt.pauseMs);
    }
  };

const bodyOf = (row: TapeRow): string =>
  JSON.stringify({
    clientOrderId: clientOrderIdOf(row),
    symbol: row.symbol,
    side: row.side,
    type: "LIMIT",
    timeInForce: "GTC",
    price: row.price,
    quantity: row.quantity,
  });

interface Answered {
  readonly type: "answered";
  readonly status: number;
  readonly replayed: boolean;
  readonly code: string;
}

type Attempt =
  | Answered
  | { readonly type: "notTaken" | "unknown"; readonly code: string; readonly pauseMs: number };

const sendOnce = async (
  { url, tokenFor }: OrderSenderOptions,
  account: AccountId,
  body: string,
): Promise<Attempt> => {
  let response: Response;
  let text: string;
  try {
    response = await fetch(`${url}/v1/orders`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${await tokenFor(account)}`,
        "content-type": "application/json",
      },
      body,
      signal: AbortSignal.timeout(REQUEST_MS_MAX),
    });
    text = await response.text();
  } catch {
    // Also a refused connection: nothing says whether it was refused before or after the request.
    return { type: "unknown", code: "connection_lost", pauseMs: PAUSE_MS };
  }
  const { status } = response;
  const code = status < 300 ? "" : codeIn(text, status);
  if (status === 401 || status === 403) {
    throw new UsageError(
      `${url} refuses the token (${code}): set SLUICE_JWT_SECRET or --data-dir as the server has it.`,
    );
  }
  if (status === 429 || status === 503)
    return { type: "notTaken", code, pauseMs: pauseOf(response) };
  if (status >= 500) return { type: "unknown", code, pauseMs: PAUSE_MS };
  const replayed = response.headers.get("idempotency-replayed") === "true";
  return { type: "answered", status, replayed, code };
};

/** A replay of what this run itself had sent is no replay of an earlier run. */
const outcomeOf = (answer: Answered, wasUnknown: boolean): RowOutcome => {
  if (answer.replayed && !wasUnknown) return { type: "replayed" };
  return answer.status < 300 ? { type: "accepted" } : { type: "refused", code: answer.code };
};

const codeIn = (text: string, status: number): string => {
  try {
    const { code } = JSON.parse(text) as { readonly code?: unknown };
    if (typeof code === "string") return code;
  } catch {
    // An answer of something in between, such as a balancer: its status has to do.
  }
  return `http_${status}`;
};

const pauseOf = (response: Response): number => {
  const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
  return Number.isFinite(seconds) ? Math.min(Math.max(seconds * 1000, 0), PAUSE_MS_MAX) : PAUSE_MS;
};
