import { MONEY_SCALE } from "../../domain/decimal.ts";
import { equityOf, freeOf, grantedOf, unsecuredOf } from "../../domain/escrow/ledger.ts";
import { type EscrowCounts, overhangOf } from "../../domain/escrow/purse.ts";
import { Counter, Gauge, type Registry } from "../../process/metrics.ts";
import type { ShardStatus } from "../../protocol/status.ts";
import type { ShardState } from "../state.ts";
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
  /** Ages of what waited before are counted from here: how long it had waited is not known. */
  #startedAt = 0;

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
    this.#startedAt = now();
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
    const ageMs = (since: Since): number => this.#ageMs(state, since, now());
    const oldest = (name: string, help: string, since: Since) =>
      new Gauge({
        name: `sluice_escrow_${name}`,
        help,
        registers,
        collect() {
          this.set(ageMs(since) / 1000);
        },
      });
    oldest("pending_age_seconds", "Age of the oldest request without an answer", (c) => c.askedAt);
    oldest("outbox_age_seconds", "Age of the oldest event not acknowledged", (c) => c.outboxAt);
    new Gauge({
      name: "sluice_escrow_reconciling",
      help: "1: restored without the other shards' files, takes only what reduces, and cancels",
      registers,
      collect() {
        this.set(state.terms.escrow.isReconciling ? 1 : 0);
      },
    });
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

  /** As the shard's operators see it; null with `risk: none`. */
  describe({ risk, instruments }: StateView, now: number): ShardStatus["risk"] {
    const { terms, marks } = risk;
    if (terms.risk === "none") return null;
    const { markAgeMsMax } = terms.settings;
    return {
      isReconciling: terms.escrow.isReconciling,
      pendingAgeMs: this.#ageMs(risk, (cell) => cell.askedAt, now),
      outboxAgeMs: this.#ageMs(risk, (cell) => cell.outboxAt, now),
      staleMarks: [...marks.values()].filter(
        ({ symbol, at }) =>
          now - at > markAgeMsMax && instruments.get(symbol)?.status === "TRADING",
      ).length,
    };
  }

  #ageMs({ ticking }: RiskState, since: Since, now: number): number {
    let oldest = now;
    for (const cell of ticking) {
      oldest = Math.min(oldest, Math.max(since(cell) ?? now, this.#startedAt));
    }
    return now - oldest;
  }
}

type StateView = Pick<ShardState, "risk" | "instruments">;
type Since = (cell: PurseCell) => number | null;
