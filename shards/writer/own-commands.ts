/**
 * What the shard tells itself: good-till dates that have come, conditional orders whose price was
 * reached, purses whose timers are due. All of it goes through the queue as other commands do, and
 * is told again when it was refused.
 */
import type { OrderId } from "../domain/brands.ts";
import type { OwnCommand } from "../domain/command.ts";
import type { BankMessage } from "../domain/escrow/messages.ts";
import { dueToSend } from "../domain/escrow/purse.ts";
import type { Order, WorkingType } from "../domain/order.ts";
import type { Clock } from "../process/clock.ts";
import type { Answer } from "../protocol/answer.ts";
import { Expiry } from "./expiry.ts";
import { isTickDue, type PurseCell, tickPauseMs } from "./risk/purses.ts";
import { Triggers } from "./risk/triggers.ts";
import type { ShardState } from "./state.ts";
import type { Committed, Writer } from "./writer.ts";

export class OwnCommands {
  readonly #state: ShardState;
  readonly #writer: Writer;
  readonly #clock: Clock;
  readonly #queueMax: number;
  readonly #expiry = new Expiry();
  readonly #triggers = new Triggers();
  /** Triggers that are to be told again. */
  readonly #again = new Set<OrderId>();

  constructor(options: {
    readonly state: ShardState;
    readonly writer: Writer;
    readonly clock: Clock;
    readonly intakeQueueMax: number;
  }) {
    this.#state = options.state;
    this.#writer = options.writer;
    this.#clock = options.clock;
    this.#queueMax = options.intakeQueueMax;
    for (const order of this.#state.allOpenOrders()) this.#note(order);
  }

  /** What prices did before the process was gone still counts. */
  start(): void {
    const { marks, lastPrices } = this.#state.risk;
    for (const { symbol, priceUnits } of marks.values()) {
      this.#trigger(this.#triggers.due(symbol, "MARK_PRICE", priceUnits));
    }
    for (const [symbol, priceUnits] of lastPrices) {
      this.#trigger(this.#triggers.due(symbol, "LAST_PRICE", priceUnits));
    }
  }

  #note(order: Order): void {
    this.#expiry.note(order);
    this.#triggers.note(order);
  }

  /** After each commit. What waited before it sees each of its prices, what it changed the last. */
  committed({ orders, prices }: Committed): void {
    for (const { symbol, workingType, priceUnits } of prices) {
      this.#trigger(this.#triggers.due(symbol, workingType, priceUnits));
    }
    for (const { order } of orders) {
      this.#note(order);
      // A child may begin to wait for a price that is long past.
      if (order.status === "UNTRIGGERED") this.#triggerAtToday(order);
    }
  }

  #triggerAtToday({ symbol, workingType }: Order): void {
    const type: WorkingType = workingType ?? "MARK_PRICE";
    const { marks, lastPrices } = this.#state.risk;
    const price = type === "MARK_PRICE" ? marks.get(symbol)?.priceUnits : lastPrices.get(symbol);
    if (price !== undefined) this.#trigger(this.#triggers.due(symbol, type, price));
  }

  #trigger(orderIds: Iterable<OrderId>): void {
    for (const orderId of orderIds) {
      this.#submit({ kind: "trigger", orderId }, (isDone) => {
        // Also while orders that rest before it make room.
        const waits = this.#state.openOrder(orderId)?.status === "UNTRIGGERED";
        if (!isDone || waits) this.#again.add(orderId);
      });
    }
  }

  /** Looks at all timers; never tells more than leaves room for what clients send. */
  tick(): void {
    const now = this.#clock.now();
    const again = [...this.#again].slice(0, this.#room);
    for (const orderId of again) this.#again.delete(orderId);
    this.#trigger(again);
    for (const orderId of this.#expiry.due(now, this.#room)) {
      this.#submit({ kind: "expire", orderId }, (isDone) => {
        if (!isDone) this.#expiry.retry(orderId);
      });
    }
    this.#tickPurses(now);
    this.#writer.endLateWaiters();
  }

  get #room(): number {
    return Math.max(0, this.#queueMax / 2 - this.#writer.waiting);
  }

  /** Whoever had its turn goes behind the others: all come round when there is not room for all. */
  #tickPurses(now: number): void {
    const { ticking } = this.#state.risk;
    for (const cell of ticking) {
      if (this.#room === 0) return;
      if (!isTickDue(cell, now)) continue;
      ticking.delete(cell);
      ticking.add(cell);
      this.#tickPurse(cell);
    }
  }

  #tickPurse(cell: PurseCell): void {
    cell.tickWaits = true;
    this.#submit({ kind: "purse_tick", ...cell.key }, () => {
      cell.tickWaits = false;
      cell.tickAt = this.#clock.now() + tickPauseMs(cell);
    });
  }

  #submit(command: OwnCommand, onAnswer: (isDone: boolean) => void): void {
    const answer = ({ kind }: Answer): void => onAnswer(kind !== "problem");
    this.#writer.submit({ answer }, 0, Number.MAX_SAFE_INTEGER, command);
  }

  /** What a bank on this shard has not answered: for a connection that is there (again). */
  unansweredBy(shardIndex: number): readonly BankMessage[] {
    const { risk } = this.#state;
    const now = this.#clock.now();
    const messages: BankMessage[] = [];
    for (const { key, purse } of risk.ticking) {
      const { accountId } = key;
      if (risk.terms.escrow.homeOf(accountId) !== shardIndex || purse.bank !== null) continue;
      messages.push(...dueToSend(purse, risk.contextOf(accountId, now)));
    }
    return messages;
  }
}
