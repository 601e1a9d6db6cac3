/** Which executions were seen, so that none is applied twice, and which were put aside. */
import type { Database } from "bun:sqlite";
import { executionKey } from "../../domain/entities.ts";
import { invariant } from "../../process/failure.ts";
import type {
  BatchWrites,
  QuarantinedExecution,
  RiskWrites,
  SeenExecution,
} from "../../writer/store-port.ts";

export class ExecutionRows {
  readonly #insert;
  readonly #find;
  readonly #oldest;
  readonly #delete;
  readonly #putAside;

  constructor(database: Database) {
    this.#insert = database.prepare(
      "INSERT INTO execution (symbol, execution_id, at) VALUES (?, ?, ?)",
    );
    this.#find = database.prepare("SELECT 1 FROM execution WHERE symbol = ? AND execution_id = ?");
    this.#oldest = database.prepare("SELECT id, at FROM execution ORDER BY id LIMIT ?");
    this.#delete = database.prepare("DELETE FROM execution WHERE id <= ?");
    this.#putAside = database.prepare("REPLACE INTO execution_quarantine VALUES (?, ?, ?)");
  }

  write({ executions, quarantined }: RiskWrites, batch: BatchWrites): void {
    this.remember(executions, batch.at);
    for (const execution of quarantined) {
      this.putAside(keyOf(execution), recordValueOf(batch, execution), execution.commitSeq);
    }
  }

  /** `at`: milliseconds since 1970, from when their retention counts. */
  remember(executions: readonly SeenExecution[], at: number): void {
    for (const { symbol, executionId } of executions) this.#insert.run(symbol, executionId, at);
  }

  /** `value` is that of its record. */
  putAside(entityKey: string, value: string, commitSeq: number): void {
    this.#putAside.run(entityKey, value, commitSeq);
  }

  has(symbol: string, executionId: string): boolean {
    return this.#find.get(symbol, executionId) !== null;
  }

  /**
   * Part of a batch's transaction: forgets those of the `most` oldest that were seen before
   * `before`. Gives whether no such one is left.
   */
  sweep(before: number, most: number): boolean {
    const rows = this.#oldest.values(most) as [number, number][];
    const young = rows.findIndex(([, at]) => at > before);
    const last = rows.at(young === -1 ? -1 : young - 1);
    if (young !== 0 && last !== undefined) this.#delete.run(last[0]);
    return young !== -1 || rows.length < most;
  }
}

const keyOf = ({ executionId, execution }: QuarantinedExecution): string => {
  const { symbol }: { readonly symbol?: unknown } = JSON.parse(execution);
  return executionKey(typeof symbol === "string" ? symbol : "", executionId);
};

const recordValueOf = ({ records }: BatchWrites, { commitSeq }: QuarantinedExecution): string => {
  const record = records[commitSeq - (records[0]?.commitSeq ?? 0)];
  invariant(record?.type === "execution_quarantined", "what is put aside has its record");
  return record.value;
};
