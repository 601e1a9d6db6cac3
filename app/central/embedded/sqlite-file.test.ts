import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OperatingError } from "../../../shards/process/failure.ts";
import { isContentRefusal, openForReading, openForWriting, storeFailure } from "./sqlite-file.ts";

let folder: string;
let database: Database;
let path: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-central-"));
  path = join(folder, "central.sqlite");
  database = openForWriting(path);
  database.run("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER NOT NULL, blob BLOB) STRICT");
});
afterAll(() => {
  database.close();
  rmSync(folder, { recursive: true });
});

const failureOf = (work: () => unknown): unknown => {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error("nothing failed");
};

const outOfSpace = (): unknown => {
  database.run("PRAGMA max_page_count = 4");
  try {
    return failureOf(() => database.run("INSERT INTO t VALUES (9, 1, zeroblob(99999))"));
  } finally {
    database.run("PRAGMA max_page_count = 1000000");
  }
};

const locked = (): unknown => {
  const other = new Database(path, { readwrite: true });
  database.run("BEGIN IMMEDIATE");
  try {
    return failureOf(() => other.run("BEGIN IMMEDIATE"));
  } finally {
    database.run("ROLLBACK");
    other.close();
  }
};

const KINDS: readonly [string, () => unknown, "content" | "passing" | "lasting"][] = [
  [
    "a missing value",
    () => failureOf(() => database.run("INSERT INTO t (id) VALUES (1)")),
    "content",
  ],
  [
    "a text for a number",
    () => failureOf(() => database.run("INSERT INTO t VALUES (1, 'x', 0)")),
    "content",
  ],
  ["no space", outOfSpace, "passing"],
  ["another's lock", locked, "passing"],
  ["a missing table", () => failureOf(() => database.run("INSERT INTO u VALUES (1)")), "lasting"],
];

describe("an error of SQLite for", () => {
  test.each(KINDS)("%s", (_name, fail, kind) => {
    const error = fail();
    const failure = storeFailure("apply records", error);
    expect(isContentRefusal(error)).toBe(kind === "content");
    expect(failure).toBeInstanceOf(OperatingError);
    expect((failure as OperatingError).retryable).toBe(kind === "passing");
    expect((failure as OperatingError).message).toStartWith("apply records: SQLITE_");
  });

  test("anything else is a defect and stays what it is", () => {
    const defect = new TypeError("x is undefined");
    expect(storeFailure("apply records", defect)).toBe(defect);
  });
});

test("the writer syncs every commit to a write-ahead log; a reader can't write", () => {
  expect(database.query("PRAGMA synchronous").get()).toEqual({ synchronous: 2 });
  expect(database.query("PRAGMA journal_mode").get()).toEqual({ journal_mode: "wal" });
  const reader = openForReading(path);
  expect(failureOf(() => reader.run("INSERT INTO t VALUES (1, 1, 0)"))).toBeInstanceOf(Error);
  reader.close();
});
