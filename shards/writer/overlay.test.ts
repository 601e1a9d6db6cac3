import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  amend,
  type BatchAnswer,
  cancel,
  describeState,
  faultsOf,
  first,
  limitRequest,
  PARTITIONS,
  place,
  SHARD,
  StateBench,
  SYMBOLS,
  UNKNOWN_SYMBOL,
} from "../../tests/support/shard-state.ts";
import type { AccountId, OrderId } from "../domain/brands.ts";
import type { Command } from "../domain/command.ts";
import type { OrderRequest } from "../domain/order.ts";
import { partitionOf } from "../protocol/partition.ts";
import { ZERO_HASH } from "../protocol/record.ts";

describe("one batch", () => {
  test("answers the same key twice with one order, byte for byte", () => {
    const bench = new StateBench();
    const [original, replay, reuse] = bench.run([place(), place(), place({ side: "SELL" })]);
    expect(original).toMatchObject({ status: 201, kind: "final" });
    expect(replay).toEqual({ status: 200, kind: "replayed", body: original?.body ?? "" });
    expect(reuse).toMatchObject({ status: 409, kind: "problem" });
    expect(bench.store.records).toHaveLength(1);
    expect(bench.run([place()])).toEqual([{ ...(replay as BatchAnswer) }]);
  });

  test("gives a stored refusal again, in the batch and after it", () => {
    const bench = new StateBench();
    const [original, replay] = bench.run([place({ price: "1" }), place({ price: "1" })]);
    expect(original).toMatchObject({ status: 422, kind: "final" });
    expect(replay).toEqual({ ...(original as BatchAnswer), kind: "replayed" });
    expect(bench.run([place({ price: "1" })])).toEqual([replay as BatchAnswer]);
  });

  test("keeps keys of other accounts and symbols apart", () => {
    const commands = [place(), place({}, 7 as AccountId), place({ symbol: "ETHUSDT" })];
    expect(new StateBench().run(commands).map(({ status }) => status)).toEqual([201, 201, 201]);
  });

  test("sees its own orders: amended, cancelled and cancelled again in one batch", () => {
    const bench = new StateBench();
    const id = 1025 as OrderId;
    const answers = bench.run([place(), amend(id, { price: "50000.2" }), cancel(id), cancel(id)]);
    expect(answers.map(({ status }) => status)).toEqual([201, 200, 200, 200]);
    expect(answers.map(({ body }) => JSON.parse(body).status)).toEqual([
      "NEW",
      "NEW",
      "CANCELED",
      "CANCELED",
    ]);
    expect(bench.store.batches[0]?.orders).toMatchObject([
      { isNew: true, lastCommitSeq: 3, order: { status: "CANCELED", version: 3 } },
    ]);
    expect(bench.state.openCount).toBe(0);
    expect(faultsOf(bench.store.records)).toEqual([]);
  });

  test("that is dropped leaves the state and its sequences as they were", () => {
    const bench = new StateBench();
    bench.run([place(), place({ clientOrderId: "b", symbol: "ETHUSDT" })]);
    const before = describeState(bench.state);
    const commands = [
      place({ clientOrderId: "c" }),
      cancel(1025 as OrderId),
      place({ price: "1" }),
    ];
    bench.run(commands, false);
    expect(describeState(bench.state)).toEqual(before);
    expect(first(bench.run([place({ clientOrderId: "c" })])).status).toBe(201);
    expect(faultsOf(bench.store.records)).toEqual([]);
  });

  test("takes new orders up to openOrdersMax, those of the batch counted, and cancels always", () => {
    const bench = new StateBench();
    bench.openOrdersMax = 2;
    const three = ["a", "b", "c"].map((clientOrderId) => place({ clientOrderId }));
    expect(bench.run(three).map(({ status }) => status)).toEqual([201, 201, 503]);
    const next = [three[2], cancel(1025 as OrderId), three[2]] as Command[];
    expect(bench.run(next).map(({ status }) => status)).toEqual([503, 200, 201]);
  });

  test("stores nothing when admission refuses, and asks again the next time", () => {
    const bench = new StateBench();
    bench.admission = { code: "replication_backlog", detail: "Too much waits." };
    expect(first(bench.run([place()]))).toMatchObject({ status: 503, kind: "problem" });
    expect(bench.store.records).toEqual([]);
    bench.admission = undefined;
    expect(first(bench.run([place()])).status).toBe(201);
  });
});

/** A command of the random streams; orders are named by how many were placed before. */
type Move =
  | { readonly kind: "place"; readonly account: number; readonly request: OrderRequest }
  | {
      readonly kind: "amend";
      readonly account: number;
      readonly nth: number;
      readonly tick: number;
    }
  | { readonly kind: "cancel"; readonly account: number; readonly nth: number }
  | { readonly kind: "expire"; readonly account: number; readonly nth: number }
  | { readonly kind: "cancel_many"; readonly account: number; readonly symbol: number | null };

const MODEL_OPEN_MAX = 6;
/** Price → the refusal it leads to; the rest of the request keeps every rule. */
const PRICES: Readonly<Record<string, string | null>> = {
  "50000.1": null,
  "60000": null,
  "50000.15": "price_off_tick",
  "1": "price_out_of_range",
};

interface ModelOrder {
  readonly id: number;
  readonly account: number;
  readonly symbol: string;
  price: string;
  status: string;
}

interface ModelOutcome {
  readonly request: string;
  readonly status: number;
  readonly body: string;
}

/** The same rules once more, on plain maps. Says what each answer has to be. */
class Model {
  orders: ModelOrder[] = [];
  outcomes = new Map<string, ModelOutcome>();

  copy(): Model {
    const copy = new Model();
    copy.orders = structuredClone(this.orders);
    copy.outcomes = new Map(this.outcomes);
    return copy;
  }

  expect(move: Move, given: BatchAnswer): void {
    if (move.kind === "place") {
      this.#place(move, given);
      return;
    }
    if (move.kind === "cancel_many") {
      this.#cancelMany(move, given);
      return;
    }
    const order = this.orders[move.nth];
    if (move.kind === "expire") {
      if (order?.status === "NEW") order.status = "EXPIRED";
      return;
    }
    if (order?.account !== move.account) {
      this.#problem(given, 404, "order_not_found");
      return;
    }
    const repeated = move.kind === "cancel" && order.status === "CANCELED";
    if (order.status !== "NEW" && !repeated) {
      this.#problem(given, 409, "order_not_open");
      return;
    }
    if (move.kind === "amend") order.price = `${50_000 + move.tick}.00`;
    else order.status = "CANCELED";
    this.#order(given, 200, order);
  }

  #place({ account, request }: Extract<Move, { kind: "place" }>, given: BatchAnswer): void {
    const key = `${account} ${request.symbol} ${request.clientOrderId}`;
    const text = JSON.stringify(request);
    const known = this.outcomes.get(key);
    if (known !== undefined) {
      if (known.request !== text) {
        this.#problem(given, 409, "client_order_id_reused");
        return;
      }
      const { status, body } = known;
      expect(given).toEqual({ status: status === 201 ? 200 : status, kind: "replayed", body });
      return;
    }
    const open = this.orders.filter(({ status }) => status === "NEW").length;
    if (open >= MODEL_OPEN_MAX) {
      this.#problem(given, 503, "overloaded");
      return;
    }
    const symbolCode = request.symbol === UNKNOWN_SYMBOL ? "unknown_symbol" : null;
    const code = symbolCode ?? PRICES[request.price ?? ""] ?? null;
    this.outcomes.set(key, { request: text, status: given.status, body: given.body });
    if (code !== null) {
      expect(given).toMatchObject({ status: 422, kind: "final" });
      expect(JSON.parse(given.body)).toMatchObject({ status: 422, code });
      return;
    }
    const { symbol, timeInForce } = request;
    const status = timeInForce === "IOC" ? "EXPIRED" : "NEW";
    const price = Number(request.price).toFixed(2);
    const order = { id: (this.orders.length + 1) * 1024 + 1, account, symbol, price, status };
    this.orders.push(order);
    this.#order(given, 201, order);
  }

  #cancelMany(
    { account, symbol }: Extract<Move, { kind: "cancel_many" }>,
    given: BatchAnswer,
  ): void {
    const wanted = symbol === null ? null : SYMBOLS[symbol];
    const found = this.orders.filter(
      (order) =>
        order.status === "NEW" &&
        order.account === account &&
        (wanted === null || order.symbol === wanted),
    );
    for (const order of found) order.status = "CANCELED";
    const cancelled = found.map(({ id }) => String(id));
    expect(JSON.parse(given.body)).toEqual({ shard: SHARD, status: 200, cancelled });
  }

  #order(given: BatchAnswer, status: number, order: ModelOrder): void {
    expect(given).toMatchObject({ status, kind: "final" });
    expect(JSON.parse(given.body)).toMatchObject({
      orderId: String(order.id),
      accountId: String(order.account),
      symbol: order.symbol,
      price: order.price,
      status: order.status,
    });
  }

  #problem(given: BatchAnswer, status: number, code: string): void {
    expect(given).toMatchObject({ status, kind: "problem" });
    expect(JSON.parse(given.body).code).toBe(code);
  }
}

const account = fc.integer({ min: 1, max: 3 });
const nth = fc.nat(12);
const anyMove: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("place" as const),
      account,
      request: fc
        .record({
          clientOrderId: fc.constantFrom("a", "b", "c", "d", "e", "f"),
          symbol: fc.constantFrom(...SYMBOLS, UNKNOWN_SYMBOL),
          price: fc.constantFrom(...Object.keys(PRICES)),
          timeInForce: fc.constantFrom("GTC", "GTC", "IOC"),
        })
        .map(limitRequest),
    }),
  },
  fc.record({ kind: fc.constant("amend" as const), account, nth, tick: fc.nat(2) }),
  fc.record({ kind: fc.constant("cancel" as const), account, nth }),
  fc.record({ kind: fc.constant("expire" as const), account, nth }),
  fc.record({
    kind: fc.constant("cancel_many" as const),
    account,
    symbol: fc.option(fc.nat(SYMBOLS.length - 1)),
  }),
);

const idAt = (index: number): OrderId => ((index + 1) * 1024 + 1) as OrderId;

const commandOf = (move: Move): Command => {
  const accountId = move.account as AccountId;
  switch (move.kind) {
    case "place":
      return { kind: "place", accountId, request: move.request };
    case "amend":
      return amend(idAt(move.nth), { price: String(50_000 + move.tick) }, accountId);
    case "cancel":
      return cancel(idAt(move.nth), accountId);
    case "expire":
      return { kind: "expire", orderId: idAt(move.nth) };
    case "cancel_many": {
      const symbol = move.symbol === null ? null : (SYMBOLS[move.symbol] ?? null);
      return { kind: "cancel_many", accountId, symbol };
    }
  }
};

const batches = fc.array(
  fc.record({
    moves: fc.array(anyMove, { maxLength: 12 }),
    commits: fc.integer({ max: 4, min: 0 }),
  }),
  { maxLength: 12 },
);

describe("any stream of commands", () => {
  test("is answered as plain maps would, with gapless chained records, lost batches undone", () => {
    const seen = new Map<string, number>();
    fc.assert(
      fc.property(batches, (stream) => {
        const bench = new StateBench();
        bench.openOrdersMax = MODEL_OPEN_MAX;
        let model = new Model();
        for (const { moves, commits } of stream) {
          const before = describeState(bench.state);
          const tried = model.copy();
          const answers = bench.run(moves.map(commandOf), commits > 0);
          for (const [i, move] of moves.entries()) {
            const given = answers[i] as BatchAnswer;
            tried.expect(move, given);
            seen.set(
              `${move.kind} ${given.status}`,
              (seen.get(`${move.kind} ${given.status}`) ?? 0) + 1,
            );
          }
          if (commits > 0) model = tried;
          else expect(describeState(bench.state)).toEqual(before);
        }
        expectConsistent(bench, model);
      }),
      { numRuns: 400 },
    );
    const needed = ["place 201", "place 200", "place 409", "place 422", "place 503"];
    for (const kind of [...needed, "amend 200", "amend 404", "amend 409", "cancel 200"]) {
      expect({ kind, seen: (seen.get(kind) ?? 0) > 10 }).toEqual({ kind, seen: true });
    }
  });
});

const expectConsistent = ({ state, store }: StateBench, model: Model): void => {
  expect(faultsOf(store.records)).toEqual([]);
  expect(state.commitSeq).toBe(store.records.length);
  expect(state.orderCounter).toBe(model.orders.length);
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const last = store.records.findLast((record) => record.partition === partition);
    const end = { seq: last?.seq ?? 0, hash: last?.hash ?? ZERO_HASH };
    expect(state.streamEnd(partition)).toEqual(end);
  }
  for (const { key, partition } of store.records) {
    expect(partition).toBe(partitionOf(key, PARTITIONS));
  }
  const open = model.orders.filter(({ status }) => status === "NEW").map(({ id }) => id);
  const held = [...state.allOpenOrders()].map(({ orderId }) => Number(orderId));
  expect(held.toSorted((a, b) => a - b)).toEqual(open);
  for (const { id, status } of model.orders) {
    expect(store.readOrder(id as OrderId)?.status as string).toBe(status);
  }
};
