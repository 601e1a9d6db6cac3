import { Counter, Gauge, Histogram, type Registry } from "../process/metrics.ts";
import type { BatchCounts } from "./answers.ts";
import { EscrowMetrics } from "./risk/escrow-metrics.ts";

/** Values that are read when somebody asks for the metrics. */
export interface WriterGauges {
  readonly queue: () => number;
  readonly openOrders: () => number;
  readonly replicatedCommitSeq: () => number;
  readonly backlogRecords: () => number;
  readonly backlogSeconds: () => number;
  readonly centralLagRecords: () => number;
  readonly centralLagSeconds: () => number;
  readonly walBytes: () => number;
  readonly fileBytes: () => number;
  readonly waitingForBanks: () => number;
}

const BATCH_BUCKETS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];
const COMMIT_BUCKETS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1,
];

export class WriterMetrics {
  readonly #accepted: Counter;
  readonly #refused: Counter;
  readonly #shed: Counter;
  readonly #triggered: Counter;
  readonly #quarantined: Counter;
  readonly escrow: EscrowMetrics;
  readonly #batchSize: Histogram;
  readonly #commitSeconds: Histogram;
  #acceptedTotal = 0;
  #refusedTotal = 0;
  #batchTotal = 0;
  #quarantinedTotal = 0;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#accepted = new Counter({
      name: "sluice_orders_accepted_total",
      help: "Orders accepted and durable",
      registers,
    });
    this.#refused = new Counter({
      name: "sluice_orders_refused_total",
      help: "Business refusals stored",
      registers,
    });
    this.#shed = new Counter({
      name: "sluice_orders_shed_total",
      help: "Orders refused because too many were waiting",
      registers,
    });
    this.#triggered = new Counter({
      name: "sluice_orders_triggered_total",
      help: "Conditional orders whose price was reached",
      registers,
    });
    this.#quarantined = new Counter({
      name: "sluice_executions_quarantined_total",
      help: "Executions that could not be applied and were put aside; somebody must look",
      registers,
    });
    this.escrow = new EscrowMetrics(registry);
    this.#batchSize = new Histogram({
      name: "sluice_batch_commands",
      help: "Commands in one transaction",
      buckets: BATCH_BUCKETS,
      registers,
    });
    this.#commitSeconds = new Histogram({
      name: "sluice_commit_seconds",
      help: "Time of one transaction, its sync included",
      buckets: COMMIT_BUCKETS,
      registers,
    });
  }

  /** Gauges that are read at scrape time. */
  watch(registry: Registry, gauges: WriterGauges): void {
    const gauge = (name: string, help: string, read: () => number): Gauge =>
      new Gauge({
        name,
        help,
        registers: [registry],
        collect() {
          this.set(read());
        },
      });
    gauge("sluice_intake_queue_commands", "Commands that wait for their batch", gauges.queue);
    gauge("sluice_open_orders", "Open orders in memory", gauges.openOrders);
    gauge(
      "sluice_relay_commit_seq",
      "The last record that is safe where it was sent; its rate is records a second",
      gauges.replicatedCommitSeq,
    );
    gauge("sluice_relay_backlog_records", "Records not yet sent", gauges.backlogRecords);
    gauge("sluice_relay_backlog_seconds", "Age of the oldest of them", gauges.backlogSeconds);
    gauge("sluice_central_lag_records", "Records central lacks", gauges.centralLagRecords);
    gauge("sluice_central_lag_seconds", "Age of the oldest of them", gauges.centralLagSeconds);
    gauge("sluice_wal_bytes", "Size of the write-ahead log's file", gauges.walBytes);
    gauge("sluice_file_bytes", "Size of the shard's file", gauges.fileBytes);
    gauge(
      "sluice_escrow_waiting_commands",
      "Commands that wait for a bank's answer",
      gauges.waitingForBanks,
    );
  }

  get totals(): { readonly accepted: number; readonly refused: number; readonly batches: number } {
    return {
      accepted: this.#acceptedTotal,
      refused: this.#refusedTotal,
      batches: this.#batchTotal,
    };
  }

  /** Executions that were put aside since the start. */
  get quarantined(): number {
    return this.#quarantinedTotal;
  }

  observeBatch(commands: number, counts: BatchCounts, commitSeconds: number): void {
    this.#accepted.inc(counts.accepted);
    this.#refused.inc(counts.refused);
    this.#triggered.inc(counts.triggered);
    this.#quarantined.inc(counts.quarantined);
    this.#batchSize.observe(commands);
    this.#commitSeconds.observe(commitSeconds);
    this.#acceptedTotal += counts.accepted;
    this.#refusedTotal += counts.refused;
    this.#quarantinedTotal += counts.quarantined;
    this.#batchTotal++;
  }

  shed(): void {
    this.#shed.inc();
  }
}
