/**
 * Commands that wait for their batch, in arrival order. When the queue is over half full, what
 * cannot add exposure goes first: cancels, reduce-only orders, executions, marks, what banks say.
 * Each takes along what its account has sent before about the same symbol, so that it passes new
 * orders of others, and never one of its own pair. There is room for it where new orders find none.
 */
import type { AccountId, InstrumentSymbol, OrderId } from "../domain/brands.ts";
import type { Command } from "../domain/command.ts";
import { passesNewOrders, roomFor } from "../protocol/priority.ts";

export interface Waiting<Sender, Waits extends Command = Command> {
  readonly sender: Sender;
  readonly requestId: number;
  /** Milliseconds since 1970. */
  readonly deadlineAt: number;
  readonly command: Waits;
  /** Monotonic milliseconds. */
  readonly arrivedMs: number;
}

/** The symbol of an open order; undefined when no such order is open. */
type SymbolOf = (orderId: OrderId) => InstrumentSymbol | undefined;

export class IntakeQueue<Sender> {
  readonly #max: number;
  readonly #symbolOf: SymbolOf;
  #waiting: Waiting<Sender>[] = [];

  constructor(max: number, symbolOf: SymbolOf) {
    this.#max = max;
    this.#symbolOf = symbolOf;
  }

  get length(): number {
    return this.#waiting.length;
  }

  /** Whether there is room: for new exposure up to the limit, for what passes it up to twice that. */
  hasRoomFor(command: Command): boolean {
    return this.#waiting.length < roomFor(command, this.#max);
  }

  push(waiting: Waiting<Sender>): void {
    this.#waiting.push(waiting);
  }

  /** Takes at most `most` commands, the next batch. */
  take(most: number): readonly Waiting<Sender>[] {
    if (this.#waiting.length <= most) {
      const all = this.#waiting;
      this.#waiting = [];
      return all;
    }
    if (this.#waiting.length > this.#max / 2) {
      this.#waiting = exposureLast(this.#waiting, this.#symbolOf);
    }
    return this.#waiting.splice(0, most);
  }
}

/** What a command's order among others depends on; symbol null: any of the account's. */
interface Scope {
  readonly accountId: AccountId;
  readonly symbol: InstrumentSymbol | null;
}

const scopeOf = (command: Command, symbolOf: SymbolOf): Scope | null => {
  switch (command.kind) {
    case "place":
      return { accountId: command.accountId, symbol: command.request.symbol };
    case "amend":
    case "cancel":
      return { accountId: command.accountId, symbol: symbolOf(command.orderId) ?? null };
    case "cancel_many":
    case "symbol_settings":
      return { accountId: command.accountId, symbol: command.symbol };
    case "account_settings":
      return { accountId: command.accountId, symbol: null };
    default:
      return null;
  }
};

/** From the last to the first: what stands before one that passes, in its scope, passes too. */
const exposureLast = <Sender>(
  waiting: readonly Waiting<Sender>[],
  symbolOf: SymbolOf,
): Waiting<Sender>[] => {
  const accounts = new Set<AccountId>();
  const accountsWithAny = new Set<AccountId>();
  const pairs = new Set<string>();
  const first: Waiting<Sender>[] = [];
  const last: Waiting<Sender>[] = [];
  for (const one of waiting.toReversed()) {
    const scope = scopeOf(one.command, symbolOf);
    let isFirst = passesNewOrders(one.command);
    if (scope !== null) {
      const { accountId, symbol } = scope;
      const pair = `${accountId}:${symbol}`;
      isFirst ||= accounts.has(accountId) || pairs.has(pair);
      // One about all symbols stands before each that passes, whatever its symbol.
      isFirst ||= symbol === null && accountsWithAny.has(accountId);
      if (isFirst) {
        accountsWithAny.add(accountId);
        if (symbol === null) accounts.add(accountId);
        else pairs.add(pair);
      }
    }
    (isFirst ? first : last).push(one);
  }
  return [...first.reverse(), ...last.reverse()];
};
