import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { openFile, type ShardFile, temporaryFolder } from "../../tests/support/shard-file.ts";
import {
  cancel,
  faultsOf,
  first,
  named,
  PARTITIONS,
  SYMBOLS,
} from "../../tests/support/shard-state.ts";
import type { OrderId } from "../domain/brands.ts";
import { JournalReader } from "./journal.ts";

describe("the journal", () => {
  const bounds = (file: ShardFile) => ({
    first: file.number("SELECT min(commit_seq) FROM journal"),
    last: file.number("SELECT max(commit_seq) FROM journal"),
  });

  test("keeps what central lacks, however old it is", async () => {
    const folder = temporaryFolder();
    const options = { outcomeRetentionMs: 1_000, outcomeGenerationSize: 1_000 };
    const file = await openFile(join(folder.path, "shard1.sqlite"), options);
    file.applied(PARTITIONS + 2);
    for (let n = 0; n < 200; n++) {
      file.run(Array.from({ length: 30 }, (_, i) => named(`${n}-${i}`, { timeInForce: "IOC" })));
      file.now += 50;
    }
    const { first: oldest, last } = bounds(file);
    expect(oldest).toBeLessThanOrEqual(PARTITIONS + 3);
    expect(last).toBe(PARTITIONS + 6_000);
    file.close();
  });

  test("keeps every outcome for its retention, whatever central has", async () => {
    const folder = temporaryFolder();
    const options = { outcomeRetentionMs: 1_000, outcomeGenerationSize: 1_000 };
    const path = join(folder.path, "shard1.sqlite");
    let file = await openFile(path, options);
    for (let n = 0; n < 120; n++) {
      file.applied();
      file.run(Array.from({ length: 30 }, (_, i) => named(`${n}-${i}`)));
      // 1,000 ms is 20 batches
      const oldest = n - 20;
      if (oldest >= 0) expect(first(file.run([named(`${oldest}-0`)])).status).toBe(200);
      file.now += 50;
      if (n % 25 !== 24) continue;
      const { now } = file;
      file.close();
      file = await openFile(path, options);
      file.now = now;
    }
    file.close();
  });

  test("knows how many bytes its values have, and how many central lacks, over a restart", async () => {
    const folder = temporaryFolder();
    const path = join(folder.path, "shard1.sqlite");
    const file = await openFile(path);
    const bytesAfter = (commitSeq: number): number =>
      file.number(`SELECT sum(length(value)) FROM journal WHERE commit_seq > ${commitSeq}`);
    file.run([named("a"), named("b", { price: "1" })]);
    file.applied();
    const applied = bytesAfter(PARTITIONS);
    file.run([named("c")]);
    file.run([cancel(1025 as OrderId)]);
    expect(file.store.valueBytes).toBe(bytesAfter(PARTITIONS));
    file.close();
    const again = await openFile(path);
    const valueBytes = file.store.valueBytes;
    expect(again.loaded).toMatchObject({ valueBytes, appliedValueBytes: applied });
    expect(applied).toBeGreaterThan(500);
    expect(valueBytes).toBeGreaterThan(applied + 500);
    again.run([named("d")]);
    expect(again.store.valueBytes).toBeGreaterThan(valueBytes);
    again.close();
  });

  test("is read by the relay in commit order, with the ends of its streams", async () => {
    const folder = temporaryFolder();
    const file = await openFile(join(folder.path, "shard1.sqlite"));
    file.run(SYMBOLS.map((symbol) => named("a", { symbol })));
    expect(faultsOf(file.chainedRecords())).toEqual([]);
    file.applied(PARTITIONS);
    const ends = Array.from({ length: PARTITIONS }, (_, p) => file.state.streamEnd(p));
    file.run([named("b")]);
    const reader = new JournalReader(file.database, "shard1", 1);
    const records = reader.read(PARTITIONS, 2);
    expect(records.map(({ commitSeq }) => commitSeq)).toEqual([PARTITIONS + 1, PARTITIONS + 2]);
    expect(records[0]).toMatchObject({ type: "order_accepted", key: "BTCUSDT", epoch: 1 });
    const { appliedCommitSeq, streams } = reader.standing();
    expect(appliedCommitSeq).toBe(PARTITIONS);
    for (const { partition, seq, hash, replicatedSeq, replicatedHash } of streams) {
      expect({ seq, hash }).toEqual(file.state.streamEnd(partition));
      expect<unknown>({ seq: replicatedSeq, hash: replicatedHash }).toEqual(ends[partition]);
    }
    file.close();
  });
});
