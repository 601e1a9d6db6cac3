import { OperatingError } from "../../shards/process/failure.ts";
import { Counter, Gauge, Histogram, type Registry } from "../../shards/process/metrics.ts";
import { endsWithin } from "../../shards/process/time-limit.ts";
import type { Commit, CommitObserver } from "./applier.ts";
import type { CentralStore } from "./store.ts";

/** How long metrics wait for central. */
const LOOK_MS_MAX = 1000;

/** What the applier counts; names begin with `sluice_applier_`. */
export class ApplierMetrics implements CommitObserver {
  readonly #records: Counter;
  readonly #duplicates: Counter;
  readonly #failures: Counter;
  readonly #outcomesDeleted: Counter;
  readonly #recordsPerTransaction: Histogram;
  readonly #transactionSeconds: Histogram;

  constructor(registry: Registry, store: CentralStore) {
    const registers = [registry];
    const counter = (name: string, help: string): Counter =>
      new Counter({ name: `sluice_applier_${name}`, help, registers });
    this.#records = counter("records_applied_total", "Records that central took");
    this.#duplicates = counter("records_duplicate_total", "Records dropped as applied before");
    this.#failures = counter("store_failures_total", "Transactions the store failed; tried again");
    this.#outcomesDeleted = counter("outcomes_deleted_total", "Outcomes past their retention");
    this.#recordsPerTransaction = new Histogram({
      name: "sluice_applier_transaction_records",
      help: "Records in one transaction",
      buckets: [1, 4, 16, 64, 256, 1024, 4096, 16384],
      registers,
    });
    this.#transactionSeconds = new Histogram({
      name: "sluice_applier_transaction_seconds",
      help: "Time of one transaction, its sync included",
      buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5],
      registers,
    });
    new Gauge({
      name: "sluice_applier_stopped_streams",
      help: "Streams that central has stopped and somebody must look at",
      registers,
      async collect() {
        const looked = store.stoppedStreams().then(({ length }) => this.set(length));
        // While central is away the others are needed most: this one stays as it was.
        await endsWithin(LOOK_MS_MAX, looked).catch((error: unknown) => {
          if (!(error instanceof OperatingError)) throw error;
        });
      },
    });
  }

  committed({ results, durationMs }: Commit): void {
    let records = 0;
    for (const { applied, duplicates } of results) {
      records += applied;
      this.#duplicates.inc(duplicates);
    }
    this.#records.inc(records);
    this.#recordsPerTransaction.observe(records);
    this.#transactionSeconds.observe(durationMs / 1000);
  }

  failed(): void {
    this.#failures.inc();
  }

  outcomesDeleted(count: number): void {
    this.#outcomesDeleted.inc(count);
  }
}
