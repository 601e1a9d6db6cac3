import { MONEY_SCALE } from "../../domain/decimal.ts";
import { equityOf, freeOf, grantedOf, unsecuredOf } from "../../domain/escrow/ledger.ts";
import { type EscrowCounts, overhangOf } from "../../domain/escrow/purse.ts";
import { Counter, Gauge, type Registry } from "../../process/metrics.ts";
import type { PurseCell } from "./purses.ts";
import type { RiskState } from "./risk-state.ts";

/** Only for graphs: money of 10^-8 as a float. */
const shown = (minor: bigint): number => Number(minor) / 10 ** MONEY_SCALE;

/** One gauge for each asset: what of it a purse adds. */
const SUMS: readonly (readonly [name: string, help: string, of: (cell: PurseCell) => bigint])[] = [
  ["rights", "What accounts may use on this shard", ({ purse }) => purse.allotment.rightsMinor],
  ["used", "What their orders and positions use of it", ({ usedMinor }) => usedMinor],
  ["overhang", "Used beyond the rights", ({ purse, usedMinor }) => overhangOf(purse, usedMinor)],
  [
    "unsecured_loss",
    "Losses that no unused rights covered, by the banks of this shard",
    ({ purse }) => (purse.bank === null ? 0n : unsecuredOf(purse.bank)),
  ],
  [
    "equity",
    "What the banks of this shard owe to accounts",
    ({ purse }) => (purse.bank === null ? 0n : equityOf(purse.bank)),
  ],
  [
    "free",
    "What they have granted to no shard",
    ({ purse }) => (purse.bank === null ? 0n : freeOf(purse.bank)),
  ],
  [
    "granted",
    "What they have granted to shards",
    ({ purse }) => (purse.bank === null ? 0n : grantedOf(purse.bank)),
  ],
];

/** How this shard and its banks do with rights. Sums are made when somebody asks for them. */
export class EscrowMetrics {
  readonly #registry: Registry;
  readonly #answers: Counter;
  readonly #recalls: Counter;
  readonly #recalled: Counter;
  readonly #fenced: Counter;
  readonly #otherTerm: Counter;

  constructor(registry: Registry) {
    this.#registry = registry;
    const counter = (name: string, help: string, labelNames: readonly string[] = []): Counter =>
      new Counter({ name: `sluice_escrow_${name}`, help, labelNames, registers: [registry] });
    this.#answers = counter("requests_total", "Requests that banks here have answered", ["code"]);
    this.#recalls = counter("recalls_total", "Decisions that asked other shards", ["outcome"]);
    this.#recalled = counter("recalled_units_total", "Given back because a bank asked");
    this.#fenced = counter("fenced_total", "Messages of an older life of a shard, refused");
    this.#otherTerm = counter("old_term_ignored_total", "Messages of another life of a bank");
  }

  observe(counts: EscrowCounts): void {
    for (const [code, count] of Object.entries(counts.answers)) {
      if (count > 0) this.#answers.inc({ code }, count);
    }
    this.#recalls.inc({ outcome: "answered" }, counts.recallsAnswered);
    this.#recalls.inc({ outcome: "timeout" }, counts.recallsTimedOut);
    this.#recalled.inc(shown(counts.recalledMinor));
    this.#fenced.inc(counts.fenced);
    this.#otherTerm.inc(counts.otherTerm);
  }

  /** Gauges that are read at scrape time. */
  watch(state: RiskState, now: () => number): void {
    const registers = [this.#registry];
    for (const [name, help, of] of SUMS) {
      new Gauge({
        name: `sluice_escrow_${name}`,
        help,
        labelNames: ["asset"],
        registers,
        collect() {
          this.reset();
          for (const cell of state.purses.all()) {
            this.inc({ asset: cell.key.asset }, shown(of(cell)));
          }
        },
      });
    }
    const oldest = (name: string, help: string, since: (cell: PurseCell) => number | null) =>
      new Gauge({
        name: `sluice_escrow_${name}`,
        help,
        registers,
        collect() {
          this.set(ageSeconds(state.ticking, since, now()));
        },
      });
    oldest("pending_age_seconds", "Age of the oldest request without an answer", (c) => c.askedAt);
    oldest("outbox_age_seconds", "Age of the oldest event not acknowledged", (c) => c.outboxAt);
    new Gauge({
      name: "sluice_escrow_outbox_rows",
      help: "Events that the banks have not acknowledged",
      registers,
      collect() {
        let rows = 0;
        for (const { purse } of state.ticking) rows += purse.allotment.outbox.length;
        this.set(rows);
      },
    });
  }
}

const ageSeconds = (
  cells: Iterable<PurseCell>,
  since: (cell: PurseCell) => number | null,
  now: number,
): number => {
  let oldest = now;
  for (const cell of cells) oldest = Math.min(oldest, since(cell) ?? now);
  return (now - oldest) / 1000;
};
