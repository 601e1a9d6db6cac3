import { Counter, Gauge, type Registry } from "../../../shards/process/metrics.ts";

/** A partition that this process reads. */
export interface PartitionReading {
  readonly partition: number;
  readonly nextOffset: bigint;
  /** One after the newest record, as last heard; null before that. */
  readonly highOffset: bigint | null;
}

/** What is counted of the topic; names begin with `sluice_applier_topic_`. */
export class TopicMetrics {
  readonly #records: Counter;
  readonly #quarantined: Counter;
  readonly #findings: Counter;

  constructor(registry: Registry, assignment: () => readonly PartitionReading[]) {
    const registers = [registry];
    const counter = (name: string, help: string): Counter =>
      new Counter({ name: `sluice_applier_topic_${name}`, help, registers });
    this.#records = counter("records_total", "Records read from the topic");
    this.#quarantined = counter("quarantined_total", "Records that could not be read");
    this.#findings = counter("findings_total", "Offsets that were not where they should be");
    new Gauge({
      name: "sluice_applier_topic_lag_records",
      help: "Records of an assigned partition that are not applied yet",
      labelNames: ["partition"],
      registers,
      collect() {
        this.reset();
        for (const { partition, nextOffset, highOffset } of assignment()) {
          const lag = highOffset === null ? 0n : highOffset - nextOffset;
          this.set({ partition: String(partition) }, lag > 0n ? Number(lag) : 0);
        }
      },
    });
    new Gauge({
      name: "sluice_applier_topic_partitions",
      help: "Partitions that this process reads",
      registers,
      collect() {
        this.set(assignment().length);
      },
    });
  }

  taken(records: number, quarantined: number): void {
    this.#records.inc(records);
    this.#quarantined.inc(quarantined);
  }

  found(): void {
    this.#findings.inc();
  }
}
