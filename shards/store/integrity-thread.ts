/**
 * Entry point of a thread: looks through the whole file after the shard has begun to serve, table
 * by table so that no read snapshot lasts long. Answers with what it found, null when all is well.
 */
import { codeOf, reasonOf } from "../process/failure.ts";
import { openForReading } from "./open.ts";

declare const self: Worker;

const check = (path: string): string | null => {
  const database = openForReading(path);
  try {
    const tables = database.query("SELECT name FROM sqlite_master WHERE type = 'table'").values();
    for (const [table] of tables) {
      const rows = database.query(`PRAGMA quick_check('${String(table)}')`).values();
      const found = rows.map(([text]) => String(text)).join("; ");
      if (found !== "ok") return found.slice(0, 500);
    }
    return null;
  } catch (error) {
    return `${codeOf(error) ?? ""} ${reasonOf(error)}`.trim();
  } finally {
    database.close();
  }
};

self.onmessage = (event: MessageEvent<string>) => {
  self.postMessage(check(event.data));
};
