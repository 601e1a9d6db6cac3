/**
 * A router and a history in memory, for the tests beside: they answer what a test has put in
 * and keep what they were asked.
 */
import type {
  AccountId,
  ClientOrderId,
  InstrumentSymbol,
  OrderId,
  ShardName,
} from "../../shards/domain/brands.ts";
import { shardIndexOf } from "../../shards/domain/brands.ts";
import type { Problem } from "../../shards/domain/problem.ts";
import type { Clock } from "../../shards/process/clock.ts";
import { createLogger } from "../../shards/process/logger.ts";
import { createRegistry } from "../../shards/process/metrics.ts";
import type { Answer } from "../../shards/protocol/answer.ts";
import type { Operation } from "../../shards/protocol/operation.ts";
import type { ShardStatus } from "../../shards/protocol/status.ts";
import { createOrderLimiter } from "../cache/order-limiter.ts";
import type { HistoryQuery, OrderHistory } from "../central/history.ts";
import type { DurabilityLevel } from "../routing/progress-board.ts";
import type { ShardRouter } from "../routing/router.ts";
import { type RoutingCode, RoutingError } from "../routing/routing-error.ts";
import { loadKeys } from "../tokens/keys.ts";
import { signToken } from "../tokens/sign.ts";
import { createTokenVerifier, type Scope } from "../tokens/verifier.ts";
import { type Api, type ApiOptions, createApi } from "./app.ts";

const NOW = 1_790_000_000_000;
const SECRET = "a secret of the tests, 32 bytes+";
export const SHARDS = ["shard1" as ShardName, "shard2" as ShardName];

/** The shard of the tests' order ids: 4097 is shard 1's fourth. */
export const ORDER_ID = 4097;
export const ORDER_BODY = JSON.stringify({
  orderId: String(ORDER_ID),
  clientOrderId: "a-1",
  status: "NEW",
});

/** The fields of answers that the tests look into. */
interface AnswerBody {
  readonly requestId: string;
  readonly detail: string;
  readonly context: Readonly<Record<string, unknown>>;
  readonly results: readonly unknown[];
  readonly items: readonly unknown[];
  readonly nextCursor: string | null;
}

export const bodyOf = async (response: Response): Promise<AnswerBody> =>
  (await response.json()) as AnswerBody;

type Respond = (operation: Operation, shard: ShardName) => Answer | Promise<Answer>;

export const answer = (status: number, body: string, kind: Answer["kind"] = "final"): Answer => ({
  requestId: 1,
  status,
  kind,
  place: { partition: 4, epoch: 1, seq: 1234 },
  timing: { queueUs: 120, decideUs: 10, commitUs: 1800 },
  body,
});

export const problemAnswer = (problem: Problem): Answer => ({
  ...answer(0, JSON.stringify(problem), "problem"),
  place: null,
});

export const routingFailure = (code: RoutingCode): RoutingError =>
  new RoutingError(code, "the socket is closed");

export const shardStatus = (shard: string, state: ShardStatus["state"] = "filling") =>
  ({
    shard,
    state,
    reason: null,
    epoch: 1,
    partitionCount: 10,
    generation: 1,
    sqliteVersion: "3.50.0",
    commitSeq: 5678,
    openOrders: 1,
    queue: 0,
    waitingForBanks: 0,
    executionsQuarantined: 0,
    risk: { isReconciling: false, pendingAgeMs: 0, outboxAgeMs: 0, staleMarks: 0 },
    ordersAccepted: 2,
    ordersRefused: 0,
    batches: 2,
    fileBytes: 4096,
    walBytes: 0,
    freeBytes: 1_000_000,
    relay: { state: "running", reason: null, backlogRecords: 0, lagMs: 0 },
    central: { lagRecords: 0, lagMs: 0, stoppedPartitions: [] },
  }) satisfies ShardStatus;

/** BTCUSDT lives on shard 1, everything else on shard 2; there are the banks of even accounts. */
export class FakeRouter implements ShardRouter {
  readonly shards = SHARDS;
  readonly asked: { readonly shard: ShardName; readonly operation: Operation }[] = [];
  readonly waited: string[] = [];
  /** Monotonic milliseconds at which the latest wait would have ended. */
  waitedUntilMs = 0;
  respond: Respond = () => answer(201, ORDER_BODY);
  /** What a wait ends with. */
  reached: DurabilityLevel | Error = "central";

  shardOfSymbol(symbol: InstrumentSymbol): ShardName {
    return (symbol === "BTCUSDT" ? "shard1" : "shard2") as ShardName;
  }

  shardOfAccount(accountId: AccountId): ShardName {
    return (accountId % 2 === 0 ? "shard2" : "shard1") as ShardName;
  }

  shardOfOrder(orderId: OrderId): ShardName | undefined {
    return SHARDS[shardIndexOf(orderId) - 1];
  }

  async request(shard: ShardName, operation: Operation): Promise<Answer> {
    this.asked.push({ shard, operation });
    return this.respond(operation, shard);
  }

  async waitFor(
    shard: ShardName,
    _: unknown,
    level: DurabilityLevel,
    expiresMs: number,
  ): Promise<DurabilityLevel> {
    this.waited.push(`${shard} ${level}`);
    this.waitedUntilMs = expiresMs;
    if (this.reached instanceof Error) throw this.reached;
    return this.reached;
  }

  states() {
    return SHARDS.map((shard) => ({
      shard,
      state: "unreachable" as const,
      epoch: 3,
      detail: "connection refused",
    }));
  }

  lagMs(): number {
    return 250;
  }
}

export class FakeHistory implements OrderHistory {
  readonly orders = new Map<number, string>();
  readonly pages: HistoryQuery[] = [];
  found: string | undefined;
  next: { createdAt: number; orderId: number } | null = null;
  failure: Error | undefined;

  async order(_: AccountId, orderId: OrderId): Promise<string | undefined> {
    if (this.failure !== undefined) throw this.failure;
    return this.orders.get(orderId);
  }

  async find(_: AccountId, __: InstrumentSymbol, ___: ClientOrderId): Promise<string | undefined> {
    if (this.failure !== undefined) throw this.failure;
    return this.found;
  }

  async page(query: HistoryQuery) {
    if (this.failure !== undefined) throw this.failure;
    this.pages.push(query);
    return { bodies: [...this.orders.values()], next: this.next };
  }
}

const fakeClock: Clock = { now: () => NOW, monotonicMs: () => performance.now() };

export interface FakeEdge {
  readonly api: Api;
  readonly router: FakeRouter;
  readonly history: FakeHistory;
  readonly now: number;
  tokenFor(...scopes: Scope[]): Promise<string>;
  /** A request of account 42 with every scope; an object as body is sent as JSON. */
  send(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Response>;
}

export const createFakeEdge = async (options: Partial<ApiOptions> = {}): Promise<FakeEdge> => {
  const router = new FakeRouter();
  const history = new FakeHistory();
  const api = createApi({
    router,
    history,
    tokens: createTokenVerifier({ keys: await loadKeys({ secret: SECRET }), clock: fakeClock }),
    clock: fakeClock,
    logger: createLogger("test", "silent"),
    registry: createRegistry({ process: "api" }),
    requestDeadlineMs: 5000,
    orderLimiter: createOrderLimiter(0),
    ...options,
  });
  const tokenFor = (...scopes: Scope[]): Promise<string> =>
    signToken(SECRET, { accountId: 42 as AccountId, scopes, ttlMs: 60_000, clock: fakeClock });
  const token = await tokenFor("read", "trade", "admin");
  const send: FakeEdge["send"] = async (method, path, body, headers = {}) => {
    const all = new Headers({ Authorization: `Bearer ${token}` });
    if (body !== undefined) all.set("Content-Type", "application/json");
    for (const [name, value] of Object.entries(headers)) all.set(name, value);
    const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
    return api.app.request(path, {
      method,
      headers: all,
      ...(text === undefined ? {} : { body: text }),
    });
  };
  return { api, router, history, now: NOW, tokenFor, send };
};
