import { expect, test } from "bun:test";
import fc from "fast-check";
import type { OrderBody } from "../../shards/domain/order-body.ts";
import { type FuzzRequest, fuzzRequests } from "../support/contract-arbitraries.ts";
import { type Answer, freshAccount } from "../support/contract-client.ts";
import { startedOnce } from "../support/contract-fixture.ts";
import { printedSeed } from "../support/random.ts";

/** On a busy machine an order may wait long: that is no failure here. */
const running = startedOnce({
  SLUICE_REQUEST_DEADLINE: "30s",
  SLUICE_SHARD_INTAKE_WAIT_MAX: "20s",
});

const AT_ONCE = 64;
/** The second half of a round meets the orders of the first. */
const PER_ROUND = 2 * AT_ONCE;
const ROUNDS = process.env.SLUICE_TEST_LONG === "1" ? 1600 : 160;
const TIMEOUT_MS = process.env.SLUICE_TEST_LONG === "1" ? 1_200_000 : 180_000;
const PROCESSES = ["api", "applier", "shard1", "shard2", "shard3"];

interface Round {
  readonly account: Readonly<Record<"keeper" | "churner", number>>;
  /** The newest order of each. */
  readonly mine: Record<string, string>;
  readonly placed: { readonly sender: FuzzRequest["sender"]; readonly text: string }[];
}

const answers = new Map<string, number>();
let sent = 0;

/** As the client's own URL parser sends it. */
const pathOf = (request: FuzzRequest, mine: string): string => {
  const { pathname, search } = new URL(
    `http://host${request.path.replace("{mine}", mine)}`.replaceAll("//v1", "/v1"),
  );
  return pathname.replace(/^\/+/, "/") + search;
};

/** Throws on what the contract does not promise; the client judges the answer's form. */
const send = async (request: FuzzRequest, round: Round): Promise<void> => {
  const { sender, method, body, headers } = request;
  const path = pathOf(request, round.mine[sender] ?? "1025");
  const answer = await running.client.send(method, path, {
    account: sender === "nobody" ? null : round.account[sender],
    headers,
    ...(body === undefined ? {} : { body }),
  });
  sent += 1;
  const kind = `${answer.status} ${answer.json.code ?? ""}`.trim();
  answers.set(kind, (answers.get(kind) ?? 0) + 1);
  if (answer.status >= 500) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
  for (const text of ordersIn(answer)) {
    round.placed.push({ sender, text });
    round.mine[sender] = (JSON.parse(text) as OrderBody).orderId;
  }
};

/** The bodies of every 201, alone or in a batch. */
const ordersIn = ({ status, text, json }: Answer): readonly string[] => {
  if (status === 201) return [text];
  const results = status === 200 && Array.isArray(json.results) ? json.results : [];
  return results
    .filter((result: { status: number }) => result.status === 201)
    .map((result: { body: object }) => JSON.stringify(result.body));
};

/** What a change of the order may have changed since. */
const lasting = (text: string): object => {
  const { status, price, quantity, updatedAt, receipt, ...rest } = JSON.parse(text) as OrderBody;
  return { ...rest, shard: receipt.shard };
};

const expectFound = async ({ account, placed }: Round): Promise<void> => {
  for (const { sender, text } of placed) {
    if (sender === "nobody") throw new Error(`an order of nobody: ${text}`);
    const { orderId } = JSON.parse(text) as OrderBody;
    const found = await running.client.send("GET", `/v1/orders/${orderId}`, {
      account: account[sender],
    });
    if (sender === "keeper") expect(found.text).toBe(text);
    else expect(lasting(found.text)).toEqual(lasting(text));
  }
};

test(
  `${PER_ROUND * ROUNDS} requests of every kind meet no failure, and every 201 is kept`,
  async () => {
    const pids = PROCESSES.map((name) => running.system.pidOf(name));
    expect(pids).not.toContain(undefined);
    const property = fc.asyncProperty(
      fc.array(fuzzRequests, { minLength: PER_ROUND, maxLength: PER_ROUND, size: "max" }),
      async (requests) => {
        const account = { keeper: freshAccount(), churner: freshAccount() };
        const round: Round = { account, mine: {}, placed: [] };
        for (const half of [requests.slice(0, AT_ONCE), requests.slice(AT_ONCE)]) {
          await Promise.all(half.map((request) => send(request, round)));
        }
        await expectFound(round);
      },
    );
    const seed = printedSeed("fuzz");
    await fc.assert(property, { seed, numRuns: ROUNDS });
    console.log(`fuzz: ${sent} requests, ${JSON.stringify(Object.fromEntries(answers))}`);
    expect(sent).toBeGreaterThanOrEqual(20_000);
    expect(PROCESSES.map((name) => running.system.pidOf(name))).toEqual(pids);
    expect(await running.system.isReady()).toBe(true);
    expect(running.system.log).not.toContain("unexpectedly");
    // Requests that are all refused for one reason would show nothing.
    expect(answers.get("201")).toBeGreaterThan(1000);
    for (const kind of [
      ...["200", "204", "400 invalid_request", "401 unauthenticated", "404 not_found"],
      ...["404 order_not_found", "405 method_not_allowed", "409 client_order_id_reused"],
      ...["409 order_not_open", "413 body_too_large", "415 unsupported_media_type"],
      ...["422 unknown_symbol", "422 instrument_not_trading"],
      ...["422 price_off_tick", "422 quantity_off_step", "422 price_out_of_range"],
      ...["404 account_not_found", "422 reduce_only_rejected", "422 position_side_mismatch"],
    ]) {
      expect([kind, (answers.get(kind) ?? 0) > 0]).toEqual([kind, true]);
    }
  },
  TIMEOUT_MS,
);
