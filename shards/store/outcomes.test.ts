import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import fc from "fast-check";
import { printedSeed, randomOf, wholeOf } from "../../tests/support/random.ts";
import { temporaryFolder } from "../../tests/support/shard-file.ts";
import { BloomFilter } from "./bloom.ts";
import { HASH_BITS, hashKey, KeyTable } from "./key-table.ts";
import { migrateShardFile } from "./migrate.ts";
import { type OutcomeKey, Outcomes, type OutcomesOptions } from "./outcomes.ts";

const anyHash = fc.oneof(
  fc.integer({ min: 0, max: 2 ** HASH_BITS - 1 }),
  fc.constantFrom(0, 1, 2 ** 32, 2 ** HASH_BITS - 1, 2 ** (HASH_BITS - 1)),
);

describe("a Bloom filter", () => {
  test("never misses a key that it has", () => {
    fc.assert(
      fc.property(fc.array(anyHash, { maxLength: 300 }), (hashes) => {
        const filter = BloomFilter.forKeys(hashes.length);
        for (const hash of hashes) filter.add(hash);
        const again = new BloomFilter(filter.bytes.slice());
        for (const hash of hashes) expect(again.mayHave(hash)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  test.each([1_000, 100_000])("of %d keys has few false hits", (keys) => {
    const filter = BloomFilter.forKeys(keys);
    for (let i = 0; i < keys; i++) filter.add(hashKey(`in ${i}`));
    let hits = 0;
    for (let i = 0; i < 100_000; i++) if (filter.mayHave(hashKey(`out ${i}`))) hits++;
    expect(hits / 100_000).toBeWithin(0, 0.007);
  });
});

describe("a key table", () => {
  test("finds every commitSeq of a hash, and no other, up to its capacity", () => {
    const few = fc.oneof(anyHash, fc.integer({ min: 0, max: 5 }));
    fc.assert(
      fc.property(fc.array(few, { minLength: 1, maxLength: 200 }), anyHash, (hashes, other) => {
        const table = new KeyTable(hashes.length);
        const expected = new Map<number, number[]>();
        for (const [i, hash] of hashes.entries()) {
          table.add(hash, i + 1);
          expected.set(hash, [...(expected.get(hash) ?? []), i + 1]);
        }
        expect(table.count).toBe(hashes.length);
        for (const hash of [...hashes, other]) {
          const found = [...table.find(hash)].toSorted((a, b) => a - b);
          expect(found).toEqual(expected.get(hash) ?? []);
        }
      }),
      { numRuns: 300 },
    );
  });

  test("is walked piece by piece, each key once, almost in the order of the hashes", () => {
    const table = new KeyTable(1_000);
    const hashes = Array.from({ length: 1_000 }, (_, i) => hashKey(`key ${i}`));
    for (const [i, hash] of hashes.entries()) table.add(hash, i + 1);
    const seen: number[] = [];
    for (let from = 0; from < table.slots; from += 37) {
      table.forEach(from, from + 37, (hash) => seen.push(hash));
    }
    expect(seen.toSorted((a, b) => a - b)).toEqual(hashes.toSorted((a, b) => a - b));
    const descents = seen.filter((hash, i) => hash < (seen[i - 1] ?? 0)).length;
    expect(descents).toBeLessThan(350);
  });
});

/** Outcomes over a real file, with the journal's times beside them and nothing else. */
class Bench {
  database: Database;
  outcomes: Outcomes;
  commitSeq = 0;
  now = 1_000_000;
  readonly #path: string;
  readonly #options: OutcomesOptions;

  constructor(path: string, options: OutcomesOptions) {
    this.#path = path;
    this.#options = options;
    this.database = this.#open();
    this.outcomes = new Outcomes(this.database, options, 1);
  }

  #open(): Database {
    const database = new Database(this.#path, { create: true, strict: true });
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF");
    migrateShardFile(database, this.#path, this.now);
    return database;
  }

  reopen(): void {
    this.database.close();
    this.database = this.#open();
    this.outcomes = new Outcomes(this.database, this.#options, this.commitSeq + 1);
  }

  /** One batch; gives the commitSeqs of its keys. `commits` false: the disk fails. */
  run(hashes: readonly number[], commits = true): number[] {
    const keys = hashes.map((hash, i): OutcomeKey => ({ hash, commitSeq: this.commitSeq + 1 + i }));
    this.database.exec("BEGIN IMMEDIATE");
    const insert = this.database.query("INSERT INTO journal VALUES (?, 0, 0, ?, ?, '', '', '')");
    for (const { commitSeq } of keys) insert.run(commitSeq, commitSeq, this.now);
    this.outcomes.write(keys);
    if (!commits) {
      this.database.exec("ROLLBACK");
      return [];
    }
    this.database.exec("COMMIT");
    this.commitSeq += keys.length;
    this.outcomes.committed(keys, this.now);
    this.outcomes.maintain(this.commitSeq, this.now);
    return keys.map(({ commitSeq }) => commitSeq);
  }

  count(sql: string): number {
    return Number(this.database.query(`SELECT count(*) FROM ${sql}`).values()[0]?.[0]);
  }
}

describe("outcomes", () => {
  test("are found for their retention, over generations, restarts and failed batches", () => {
    const folder = temporaryFolder();
    const random = randomOf(printedSeed("outcomes"));
    const retentionMs = 60_000;
    const options = { generationSize: 8_192, retentionMs };
    const bench = new Bench(join(folder.path, "a.sqlite"), options);
    /** In order of age; the journal would hold the same. */
    const known: { readonly hash: number; readonly commitSeq: number; readonly at: number }[] = [];
    const phases = new Set<string>();
    let missed = 0;
    let doubled = 0;
    for (let n = 0; n < 300; n++) {
      const count = wholeOf(random, 0, 5) === 0 ? wholeOf(random, 0, 3) : wholeOf(random, 300, 700);
      const hashes = Array.from({ length: count }, (_, i) => hashKey(`${n} ${i}`));
      // The same key again, after another generation: both of its records are candidates.
      const old = known[wholeOf(random, 0, Math.max(0, known.length - 1))];
      if (old !== undefined) hashes.push(old.hash);
      bench.run(hashes, false);
      const at = bench.now;
      const commitSeqs = bench.run(hashes);
      for (const [i, commitSeq] of commitSeqs.entries()) {
        known.push({ hash: hashes[i] ?? 0, commitSeq, at });
      }
      bench.now += wholeOf(random, 0, 700);
      if (wholeOf(random, 0, 9) === 0) {
        const index = bench.count("outcome_index") > 0;
        phases.add(`${bench.count("outcome_generation WHERE filter IS NULL") > 1} ${index}`);
        bench.reopen();
      }
      for (let i = 0; i < 60; i++) {
        const one = known[wholeOf(random, 0, known.length - 1)];
        if (one === undefined || bench.now - one.at >= retentionMs) continue;
        const found = bench.outcomes.candidates(one.hash);
        if (!found.includes(one.commitSeq)) missed++;
        if (new Set(found).size !== found.length) doubled++;
        expect(found).toEqual([...found].toSorted((a, b) => b - a));
        expect(bench.outcomes.firstKeptCommitSeq()).toBeLessThanOrEqual(one.commitSeq);
      }
    }
    expect({ missed, doubled }).toEqual({ missed: 0, doubled: 0 });
    // Restarts happened while a generation moved, and with others indexed before.
    expect([...phases]).toContain("true true");
    const wrong = Array.from({ length: 5_000 }, (_, i) => hashKey(`never ${i}`)).filter(
      (hash) => bench.outcomes.candidates(hash).length > 0,
    );
    expect(wrong).toEqual([]);
    bench.database.close();
  });

  test("with the same hash are all candidates, the newest first, wherever they are", () => {
    const folder = temporaryFolder();
    const options = { generationSize: 1_000, retentionMs: 1e9 };
    const bench = new Bench(join(folder.path, "a.sqlite"), options);
    for (let n = 0; n < 12; n++) {
      bench.run([5, ...Array.from({ length: 999 }, (_, i) => hashKey(`${n} ${i}`)), 5]);
    }
    const expected = Array.from({ length: 12 }, (_, n) => [n * 1_001 + 1, n * 1_001 + 1_001])
      .flat()
      .toReversed();
    expect(bench.outcomes.candidates(5)).toEqual(expected);
    bench.reopen();
    expect(bench.outcomes.candidates(5)).toEqual(expected);
    bench.database.close();
  });

  test("are gone, rows and all, some time after their retention", () => {
    const folder = temporaryFolder();
    const options = { generationSize: 8_192, retentionMs: 1_000 };
    const bench = new Bench(join(folder.path, "a.sqlite"), options);
    bench.run(Array.from({ length: 8_192 }, (_, i) => hashKey(`old ${i}`)));
    const batch = (n: number): number[] =>
      Array.from({ length: 8_000 }, (_, i) => hashKey(`${n} ${i}`));
    for (let n = 0; n < 60; n++) {
      bench.now += 100;
      bench.run(batch(n));
    }
    expect(bench.outcomes.firstKeptCommitSeq()).toBeGreaterThan(8_192);
    expect(bench.outcomes.candidates(hashKey("old 1"))).toEqual([]);
    expect(bench.count("outcome_index WHERE generation = 1")).toBe(0);
    expect(bench.count("outcome_key WHERE commit_seq < 8192")).toBe(0);
    bench.database.close();
  });

  test("of a quiet shard are indexed and dropped as fast as they grow old", () => {
    const folder = temporaryFolder();
    // A lone order in each batch; a generation is sealed by its age, with 125 keys in it.
    const options = { generationSize: 30_000, retentionMs: 1_000_000 };
    const bench = new Bench(join(folder.path, "a.sqlite"), options);
    for (let n = 0; n < 4_000; n++) {
      bench.now += 1_000;
      bench.run([hashKey(`${n}`)]);
    }
    const moving = bench.count("outcome_generation WHERE filter IS NULL") - 1;
    const oldest = bench.outcomes.firstKeptCommitSeq();
    bench.database.close();
    expect(moving).toBeLessThanOrEqual(3);
    // Twice the retention is 2,000 batches.
    expect(oldest).toBeGreaterThan(2_000);
  });

  test("of a file that was written with larger generations are loaded", () => {
    const folder = temporaryFolder();
    const path = join(folder.path, "a.sqlite");
    const bench = new Bench(path, { generationSize: 100_000, retentionMs: 1e9 });
    for (let n = 0; n < 50; n++) {
      bench.run(Array.from({ length: 1_000 }, (_, i) => hashKey(`${n} ${i}`)));
    }
    bench.database.close();
    // In a process of its own: what never ends must not hang the tests.
    const script = `
      import { Database } from "bun:sqlite";
      import { Outcomes } from ${JSON.stringify(join(import.meta.dir, "outcomes.ts"))};
      import { hashKey } from ${JSON.stringify(join(import.meta.dir, "key-table.ts"))};
      const outcomes = new Outcomes(
        new Database(${JSON.stringify(path)}),
        { generationSize: 1000, retentionMs: 1e9 },
        50_001,
      );
      console.log(outcomes.candidates(hashKey("49 999")).join());
    `;
    const { stdout, exitCode } = Bun.spawnSync([process.execPath, "-e", script], {
      timeout: 4_000,
      stderr: "inherit",
    });
    expect({ exitCode, found: stdout.toString().trim() }).toEqual({ exitCode: 0, found: "50000" });
  });
});
