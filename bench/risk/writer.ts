/**
 * The writer in this process on real files: what the stage `decide` takes for one order, with and
 * without risk, and what a bracket costs against a plain order. In turns, chunk by chunk; each case has its own file.
 */
import { join } from "node:path";
import type { AccountId } from "../../shards/domain/brands.ts";
import type { Command } from "../../shards/domain/command.ts";
import { canonicalDecimal } from "../../shards/domain/decimal.ts";
import type { RiskMode } from "../../shards/domain/risk/types.ts";
import { say } from "../support/options.ts";
import { fixed, whole } from "../support/report.ts";
import { percentile } from "../support/statistics.ts";
import { openWriter, type WriterInProcess } from "../system/writer-in-process.ts";
import { assetsOf, DEPOSIT } from "./accounts.ts";
import { INSTRUMENTS, MARKETS, marketsOf, orderAt, type Shape, SYMBOLS_EACH } from "./market.ts";
import type { RiskOptions } from "./options.ts";

/** About what two hundred connections make on each of three shards. */
export const BATCH = 25;
const BATCHES_A_CHUNK = 128;
const SETTING_UP_BATCH = 1024;

/** What is compared; `bracket` is with margin. */
export const CASES = ["none", "margin", "bracket"] as const;
export type Case = (typeof CASES)[number];

export interface WriterRun {
  /** Of the stage `decide` of one order, its batch's mean, µs. */
  readonly decideP50Us: number;
  readonly decideP99Us: number;
  readonly perSecond: number;
  /** CPU time of the process, the checkpoint thread's too, µs an order. */
  readonly cpuUs: number;
}

export interface WriterRound {
  readonly kind: "writer";
  readonly round: number;
  readonly runs: Readonly<Record<Case, WriterRun>>;
  /** Time of a bracket ÷ of a plain order, and the same of CPU time. */
  readonly times: number;
  readonly cpuTimes: number;
}

/** A writer and the account whose turn it is. */
interface Book {
  readonly writer: WriterInProcess;
  readonly accounts: number;
  turn: number;
}

export const measureWriter = async (
  options: RiskOptions,
  folder: string,
): Promise<readonly WriterRound[]> => {
  const books: Book[] = [];
  const add = async (name: Case): Promise<Book> => {
    const book = await open(name, options, folder);
    books.push(book);
    await fill(book, name);
    return book;
  };
  try {
    const none = await add("none");
    const margin = await add("margin");
    const bracket = await add("bracket");
    const rounds: WriterRound[] = [];
    // Round 0 is the warm-up.
    for (let round = 0; round <= options.rounds; round++) {
      const one = await measureRound(options, { none, margin, bracket }, round);
      if (round > 0) rounds.push(one);
    }
    return rounds;
  } finally {
    for (const { writer } of books) await writer.close();
  }
};

const riskOf = (name: Case): RiskMode => (name === "none" ? "none" : "margin");

const open = async (name: Case, options: RiskOptions, folder: string): Promise<Book> => {
  const path = join(folder, `writer-${name}.sqlite`);
  const risk = riskOf(name);
  const writer = await openWriter({ path, risk, venue: "external", instruments: INSTRUMENTS });
  return { writer, accounts: options.accounts, turn: 0 };
};

/** Marks, money, and a plain order of each account in each of its symbols. */
const fill = async (book: Book, name: Case): Promise<void> => {
  const { writer, accounts } = book;
  const at = Date.now();
  const marks = MARKETS.map(({ symbol, mark }): Command => {
    return { kind: "mark", symbol, price: canonicalDecimal(mark), at };
  });
  await writer.commit(marks, 200);
  if (riskOf(name) === "margin") await commitInParts(writer, depositsOf(accounts), 200);
  await commitInParts(writer, place(book, accounts * SYMBOLS_EACH, "plain"), 201);
};

const depositsOf = (accounts: number): readonly Command[] =>
  Array.from({ length: accounts }, (_, i) =>
    assetsOf(marketsOf(i)).map(
      (asset): Command => ({
        kind: "transfer",
        accountId: idOf(i),
        asset,
        transferId: "t-1",
        amount: canonicalDecimal(DEPOSIT),
      }),
    ),
  ).flat();

const idOf = (account: number): AccountId => (account + 1) as AccountId;

const commitInParts = async (
  writer: WriterInProcess,
  commands: readonly Command[],
  status: number,
): Promise<void> => {
  for (let at = 0; at < commands.length; at += SETTING_UP_BATCH) {
    await writer.commit(commands.slice(at, at + SETTING_UP_BATCH), status);
  }
};

/** The next orders, the accounts in turn. */
const place = (book: Book, count: number, shape: Shape): readonly Command[] =>
  Array.from({ length: count }, (): Command => {
    const turn = book.turn++;
    const account = turn % book.accounts;
    const { market, side } = orderAt(account, Math.floor(turn / book.accounts));
    const request = market.request(side, shape, `o-${turn.toString(36).padStart(16, "0")}`);
    return { kind: "place", accountId: idOf(account), request };
  });

const measureRound = async (
  options: RiskOptions,
  books: Readonly<Record<Case, Book>>,
  round: number,
): Promise<WriterRound> => {
  const meters = { none: new Meter(), margin: new Meter(), bracket: new Meter() };
  const until = options.seconds * 1000 * CASES.length;
  // Once: collections that the orders themselves cause are part of what they cost.
  Bun.gc(true);
  while (CASES.reduce((ms, name) => ms + meters[name].ms, 0) < until) {
    for (const name of CASES) {
      await meters[name].run(books[name], name === "bracket" ? "bracket" : "plain");
    }
  }
  const runs = {
    none: meters.none.result(),
    margin: meters.margin.result(),
    bracket: meters.bracket.result(),
  };
  if (round > 0) {
    say(
      `writer ${round}: decide p50 ${fixed(runs.margin.decideP50Us, 0)} µs, ` +
        `p99 ${fixed(runs.margin.decideP99Us, 0)} with margin, ` +
        `${fixed(runs.none.decideP99Us, 0)} without; ${whole(runs.margin.perSecond)} orders/s, ` +
        `${whole(runs.bracket.perSecond)} brackets/s`,
    );
  }
  return {
    kind: "writer",
    round,
    runs,
    times: runs.margin.perSecond / runs.bracket.perSecond,
    cpuTimes: runs.bracket.cpuUs / runs.margin.cpuUs,
  };
};

/** Adds up chunks of one case. */
class Meter {
  ms = 0;
  readonly #decideUs: number[] = [];
  #cpuUs = 0;
  #orders = 0;

  async run(book: Book, shape: Shape): Promise<void> {
    const commands = place(book, BATCHES_A_CHUNK * BATCH, shape);
    const cpuBefore = process.cpuUsage();
    const start = performance.now();
    for (let at = 0; at < commands.length; at += BATCH) {
      const { decideUs } = await book.writer.commit(commands.slice(at, at + BATCH), 201);
      this.#decideUs.push(decideUs);
    }
    this.ms += performance.now() - start;
    const { user, system } = process.cpuUsage(cpuBefore);
    this.#cpuUs += user + system;
    this.#orders += commands.length;
  }

  result(): WriterRun {
    const sorted = Float64Array.from(this.#decideUs).sort();
    return {
      decideP50Us: percentile(sorted, 0.5),
      decideP99Us: percentile(sorted, 0.99),
      perSecond: (this.#orders / this.ms) * 1000,
      cpuUs: this.#cpuUs / this.#orders,
    };
  }
}
