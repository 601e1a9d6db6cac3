/** A client that trusts nothing: each answer is held against the contract before a test sees it. */
import { SignJWT } from "jose";
import type { OrderBody } from "../../shards/domain/order-body.ts";
import { Contract, type Exchange, type OpenapiDocument } from "./contract-document.ts";
import { JWT_SECRET, type System } from "./contract-system.ts";

/** Signs as the configured secret does; `claims` stand over the usual ones. */
export const signToken = (
  claims: Readonly<Record<string, unknown>>,
  { expiresAt = Date.now() + 3_600_000, secret = JWT_SECRET } = {},
): Promise<string> =>
  new SignJWT({ scope: "read trade admin", exp: Math.floor(expiresAt / 1000), ...claims })
    .setProtectedHeader({ alg: "HS256" })
    .sign(Buffer.from(secret));

export interface Send {
  /** Whose token is shown; 1 when absent. null: none is shown. */
  readonly account?: number | null;
  readonly token?: string;
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is, as application/json unless a header says otherwise. */
  readonly body?: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answer extends Exchange {
  /** The body parsed, when it is JSON. */
  readonly json: Readonly<Record<string, unknown>>;
}

/** Fields of a good order; what is undefined is left out. */
export type OrderFields = Readonly<Record<string, unknown>>;

export const limitOrder = (fields: OrderFields = {}): OrderFields => ({
  symbol: "BTCUSDT",
  side: "BUY",
  type: "LIMIT",
  price: "50000.10",
  quantity: "0.010",
  ...fields,
});

let idsMade = 0;
/** A client order id that no other test of this run uses. */
export const freshId = (prefix = "c"): string => `${prefix}-${++idsMade}`;

let accountsMade = 1000;
/** An account that no other test of this run uses. */
export const freshAccount = (): number => ++accountsMade;

export class Client {
  readonly #tokens = new Map<number, Promise<string>>();

  private constructor(
    readonly address: string,
    readonly document: OpenapiDocument,
    private readonly contract: Contract,
  ) {}

  static async of({ address }: Pick<System, "address">): Promise<Client> {
    const document = (await (await fetch(`${address}/openapi.json`)).json()) as OpenapiDocument;
    return new Client(address, document, new Contract(document));
  }

  tokenOf(account: number): Promise<string> {
    const token = this.#tokens.get(account) ?? signToken({ sub: String(account) });
    this.#tokens.set(account, token);
    return token;
  }

  /** Throws when the answer breaks the contract. */
  async send(method: string, path: string, options: Send = {}): Promise<Answer> {
    const headers = await this.#headers(options);
    const body = options.json === undefined ? options.body : JSON.stringify(options.json);
    const response = await fetch(this.address + path, {
      method,
      headers,
      ...(body === undefined ? {} : { body }),
    });
    const text = await response.text();
    const exchange: Exchange = {
      method,
      path,
      givenRequestId: headers["X-Request-Id"],
      status: response.status,
      headers: response.headers,
      text,
    };
    this.hold(exchange);
    const isJson = (response.headers.get("content-type") ?? "").includes("json");
    return { ...exchange, json: isJson && text !== "" ? JSON.parse(text) : {} };
  }

  /** Throws when the exchange breaks the contract. */
  hold(exchange: Exchange): void {
    const violations = this.contract.violations(exchange);
    if (violations.length === 0) return;
    const { method, path, status, text } = exchange;
    throw new Error(
      `${method} ${path} breaks the contract: ${violations.join("; ")}\n${status} ${text.slice(0, 500)}`,
    );
  }

  place(order: OrderFields, options: Send & { readonly ack?: string } = {}): Promise<Answer> {
    const query = options.ack === undefined ? "" : `?ack=${options.ack}`;
    return this.send("POST", `/v1/orders${query}`, { json: order, ...options });
  }

  /** Places an order that must be taken. */
  async accepted(order: OrderFields, options: Send = {}): Promise<OrderBody> {
    const answer = await this.place(order, options);
    if (answer.status !== 201) throw new Error(`not taken: ${answer.status} ${answer.text}`);
    return answer.json as unknown as OrderBody;
  }

  async #headers({ account = 1, token, headers, json, body }: Send) {
    const all: Record<string, string> = {};
    if (json !== undefined || body !== undefined) all["Content-Type"] = "application/json";
    const shown = token ?? (account === null ? undefined : await this.tokenOf(account));
    if (shown !== undefined) all.Authorization = `Bearer ${shown}`;
    return { ...all, ...headers };
  }
}
