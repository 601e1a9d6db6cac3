import { describe, expect, test } from "bun:test";
import { randomOf } from "../../../tests/support/random.ts";
import { deposit } from "../../../tests/support/shard-network.ts";
import {
  amend,
  cancel,
  describeState,
  faultsOf,
  limitRequest,
  named,
  riskTerms,
  StateBench,
  SYMBOLS,
} from "../../../tests/support/shard-state.ts";
import type { AccountId, CanonicalDecimal, OrderId } from "../../domain/brands.ts";
import type { Command, Execution } from "../../domain/command.ts";
import { formatUnits } from "../../domain/decimal.ts";
import { isOpen, type Order } from "../../domain/order.ts";
import type { RiskTerms } from "./risk-state.ts";

const LONG = process.env.SLUICE_TEST_LONG === "1";
const ACCOUNTS = [1, 2, 3] as AccountId[];
const decimal = (value: string): CanonicalDecimal => value as CanonicalDecimal;

/** Commands as clients and a matching engine might send them, many of them nonsense. */
class Stream {
  readonly #bench: StateBench;
  readonly #random: (below: number) => number;
  #next = 0;
  readonly seen = new Map<string, number>();

  constructor(bench: StateBench, random: (below: number) => number) {
    this.#bench = bench;
    this.#random = random;
  }

  #one<T>(items: readonly T[]): T {
    return items[this.#random(items.length)] as T;
  }

  #price(): string {
    return formatUnits(4_900_000 + this.#random(200) * 1_000, 2);
  }

  #order(): Order | undefined {
    const orders = [...this.#bench.store.orders.values()];
    const open = orders.filter(({ status }) => isOpen(status));
    return this.#random(5) === 0 ? this.#one(orders) : this.#one(open);
  }

  command(): Command {
    const accountId = this.#one(ACCOUNTS);
    const order = this.#order();
    switch (this.#random(12)) {
      case 0:
        return deposit(this.#one(["500", "-100", "2000"]), `t-${this.#random(99)}`, accountId);
      case 1:
        return this.#mark();
      case 2:
        return this.#settings(accountId);
      case 3:
      case 4:
        if (order !== undefined) return { kind: "execute", execution: this.#execution(order) };
        return this.#place(accountId);
      case 5:
        if (order !== undefined) return cancel(order.orderId, order.accountId);
        return this.#mark();
      case 6:
        if (order !== undefined) {
          return amend(order.orderId, { price: this.#price() }, order.accountId);
        }
        return this.#mark();
      case 7:
        if (order !== undefined) return { kind: "trigger", orderId: order.orderId };
        return this.#mark();
      default:
        return this.#place(accountId);
    }
  }

  #mark(): Command {
    const symbol = this.#one(SYMBOLS);
    return { kind: "mark", symbol, price: decimal(this.#price()), at: this.#bench.now };
  }

  #settings(accountId: AccountId): Command {
    if (this.#random(3) === 0) {
      const positionMode = this.#one(["ONE_WAY", "HEDGE"] as const);
      return { kind: "account_settings", accountId, positionMode, isTrial: false };
    }
    const leverage = 1 + this.#random(20);
    const symbol = this.#one(SYMBOLS);
    return { kind: "symbol_settings", accountId, symbol, leverage, marginMode: null };
  }

  #place(accountId: AccountId): Command {
    const type = this.#one(["LIMIT", "LIMIT", "MARKET", "STOP_MARKET", "TAKE_PROFIT"]);
    const isMarket = type === "MARKET" || type === "STOP_MARKET";
    const isConditional = type === "STOP_MARKET" || type === "TAKE_PROFIT";
    const child = { clientOrderId: null, price: null, workingType: "MARK_PRICE" };
    const withChildren = type === "LIMIT" && this.#random(4) === 0;
    const request = limitRequest({
      clientOrderId: `o-${this.#next++}`,
      symbol: this.#one(SYMBOLS),
      side: this.#one(["BUY", "SELL"]),
      type,
      timeInForce: isMarket ? null : "GTC",
      price: isMarket ? null : this.#price(),
      quantity: formatUnits(1 + this.#random(40), 3),
      stopPrice: isConditional ? this.#price() : null,
      workingType: isConditional ? "MARK_PRICE" : null,
      reduceOnly: this.#random(6) === 0 && !withChildren,
      positionSide: this.#one(["BOTH", "BOTH", "LONG", "SHORT"]),
      takeProfit: withChildren ? { ...child, stopPrice: this.#price() } : null,
      stopLoss: withChildren ? { ...child, stopPrice: this.#price() } : null,
    });
    return { kind: "place", accountId, request };
  }

  #execution(order: Order): Execution {
    const kind = this.#one(["FILL", "FILL", "FILL", "CANCEL", "AMENDED", "REJECT"] as const);
    const left = order.quantityUnits - order.executedUnits;
    const amendment = order.amendment;
    const price =
      kind === "AMENDED" ? (amendment?.priceUnits ?? 1) : (order.priceUnits ?? 5_000_000);
    const quantity = kind === "AMENDED" ? (amendment?.quantityUnits ?? 1) : 1 + this.#random(left);
    const hasNumbers = kind === "FILL" || kind === "AMENDED";
    return {
      executionId: `e-${this.#next++ % 500}`,
      orderId: order.orderId,
      symbol: order.symbol,
      kind,
      price: hasNumbers ? decimal(formatUnits(price, 2)) : null,
      quantity: hasNumbers ? decimal(formatUnits(quantity, 3)) : null,
      fee: kind === "FILL" ? decimal(this.#one(["0.05", "-0.01", "0.00000001"])) : null,
      feeAsset: kind === "FILL" ? this.#one([null, null, "BNB"]) : null,
      at: this.#bench.now,
    };
  }

  note(command: Command, status: number): void {
    const kind = command.kind === "execute" ? command.execution.kind : command.kind;
    const key = `${kind} ${status}`;
    this.seen.set(key, (this.seen.get(key) ?? 0) + 1);
  }
}

const TERMS: readonly [string, RiskTerms][] = [
  ["margin and a matching engine", riskTerms()],
  ["no margin, a matching engine", { ...riskTerms(), risk: "none" }],
  ["margin, nobody behind the shard", { ...riskTerms(), venue: "none" }],
];

describe("any stream of commands leaves what a start would make of the file", () => {
  test.each(TERMS)("with %s", (_, terms) => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    const random = randomOf(seed);
    const seen = new Map<string, number>();
    for (let run = 0; run < (LONG ? 400 : 10); run++) {
      const bench = new StateBench(terms);
      const stream = new Stream(bench, (below) => Math.floor(random() * below));
      bench.run(ACCOUNTS.map((accountId) => deposit("400", "t-0", accountId)));
      for (let batch = 0; batch < 60; batch++) {
        const commands = Array.from({ length: 1 + Math.floor(random() * 6) }, () =>
          stream.command(),
        );
        const commits = random() > 0.15;
        const before = commits ? undefined : describeState(bench.state);
        const answers = bench.run(commands, commits);
        for (const [i, { status }] of answers.entries()) {
          stream.note(commands[i] as Command, status);
        }
        if (!commits)
          expect({ seed, state: describeState(bench.state) }).toEqual({ seed, state: before });
      }
      const kept = describeState(bench.state);
      bench.restart();
      expect({ seed, run, state: describeState(bench.state) }).toEqual({ seed, run, state: kept });
      expect(faultsOf(bench.store.records)).toEqual([]);
      for (const [key, count] of stream.seen) seen.set(key, (seen.get(key) ?? 0) + count);
    }
    const needed = ["place 201", "place 422", "cancel 200", "trigger 200", "FILL 200", "amend 200"];
    for (const kind of needed) {
      expect({ seed, kind, isSeen: (seen.get(kind) ?? 0) > 5 }).toEqual({
        seed,
        kind,
        isSeen: true,
      });
    }
  });
});

test("a fill beyond the rights leaves them below what is used, and a loss is told to the bank", () => {
  const bench = new StateBench(riskTerms());
  bench.run([deposit("30", "t-1"), named("a")]);
  const fill = {
    executionId: "e-1",
    orderId: 1025 as OrderId,
    symbol: SYMBOLS[0] as (typeof SYMBOLS)[number],
    kind: "FILL",
    price: decimal("50000.1"),
    quantity: decimal("0.01"),
    fee: decimal("1.5"),
    feeAsset: null,
    at: 1,
  } as const;
  bench.run([{ kind: "execute", execution: fill }]);
  const cell = bench.state.risk.purses.find(42 as AccountId, "USDT");
  const [row] = cell?.purse.bank?.shards ?? [];
  expect(row?.pnlTotalMinor).toBe(-150_000_000n);
  expect(cell?.usedMinor).toBe(2_500_005_000n);
  // The same execution again changes nothing.
  const before = describeState(bench.state);
  const [again] = bench.run([{ kind: "execute", execution: fill }]);
  expect(again?.body).toBe('{"status":"duplicate"}');
  expect(describeState(bench.state)).toEqual(before);
});
