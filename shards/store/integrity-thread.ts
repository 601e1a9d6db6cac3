/**
 * Entry point of a thread: looks through the whole file after the shard has begun to serve, table
 * by table so that no read snapshot lasts long.
 */
import { codeOf, reasonOf } from "../process/failure.ts";
import type { CheckResult } from "./integrity.ts";
import { openForReading } from "./open.ts";

declare const self: Worker;

/** Any other error, a full disk or a lack of handles, says nothing about the file. */
const DAMAGE = /^SQLITE_(CORRUPT|NOTADB)/;

const check = (path: string): CheckResult => {
  try {
    return { kind: "done", found: lookThrough(path) };
  } catch (error) {
    const code = codeOf(error) ?? "";
    const reason = `${code} ${reasonOf(error)}`.trim();
    return DAMAGE.test(code) ? { kind: "done", found: reason } : { kind: "failed", reason };
  }
};

const lookThrough = (path: string): string | null => {
  const database = openForReading(path);
  try {
    const tables = database.query("SELECT name FROM sqlite_master WHERE type = 'table'").values();
    for (const [table] of tables) {
      const rows = database.query(`PRAGMA quick_check('${String(table)}')`).values();
      const found = rows.map(([text]) => String(text)).join("; ");
      if (found !== "ok") return found.slice(0, 500);
    }
    return null;
  } finally {
    database.close();
  }
};

self.onmessage = (event: MessageEvent<string>) => {
  self.postMessage(check(event.data));
};
