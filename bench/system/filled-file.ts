/**
 * Shard files with millions of rows. They take minutes to make, so they stay in the cache, under a
 * name that changes with what they hold and with the code that lays it out.
 */
import { constants, copyFileSync, existsSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Glob } from "bun";
import { ROOT } from "../support/machine.ts";
import { say } from "../support/options.ts";
import { whole } from "../support/report.ts";
import { cacheFolder } from "../support/work-folder.ts";
import { PlaceCommands } from "./commands.ts";
import { openWriter, type WriterInProcess } from "./writer-in-process.ts";

export interface Filling {
  /** Orders placed, each with a random client order id; so many outcomes are stored. */
  readonly orders: number;
  /** The last of them rest; the others have ended. */
  readonly open: number;
  /** Rows of ended orders leave as they do when central has them and their retention is over. */
  readonly sweepEnded: boolean;
}

const BATCH = 1024;
const REPORT_EVERY = 1_000_000;
/** Batches between two reports of the relay that the benchmark plays. */
const APPLIED_EVERY = 64;

/** A copy at `to` of the file that `filling` describes, made first if it is not in the cache. */
export const copyFilledFile = async (filling: Filling, to: string): Promise<void> => {
  const cached = join(cacheFolder(), `${nameOf(filling)}.sqlite`);
  if (!existsSync(cached)) await fill(filling, cached);
  copyFileSync(cached, to, constants.COPYFILE_FICLONE);
};

const LAYOUT = "{migrations/shard/*.sql,shards/store/{bloom,cluster,key-table,outcomes}.ts}";

const nameOf = ({ orders, open, sweepEnded }: Filling): string => {
  const layout = [...new Glob(LAYOUT).scanSync(ROOT)]
    .toSorted()
    .map((file) => readFileSync(join(ROOT, file), "utf8"))
    .join("\n");
  const version = Bun.hash(layout).toString(36);
  return `shard-${orders}-${open}-${sweepEnded ? "swept" : "kept"}-${version}`;
};

const fill = async (filling: Filling, path: string): Promise<void> => {
  const draft = `${path}.draft`;
  remove(draft);
  say(`filling a shard with ${whole(filling.orders)} orders (once; it stays in the cache)`);
  const writer = await openWriter({ path: draft, settings: { orderRetention: 0 } });
  // A draft that a crash leaves is thrown away.
  writer.database.exec("PRAGMA synchronous = OFF");
  try {
    await placeAll(writer, filling);
    writer.database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  } finally {
    await writer.close();
  }
  renameSync(draft, path);
  remove(draft);
};

const placeAll = async (writer: WriterInProcess, filling: Filling): Promise<void> => {
  const { orders, open, sweepEnded } = filling;
  const ended = new PlaceCommands("filling, ended", "IOC");
  const resting = new PlaceCommands("filling, open", "GTC");
  let batches = 0;
  for (let at = 0; at < orders; ) {
    const isEnded = at < orders - open;
    const count = Math.min(BATCH, (isEnded ? orders - open : orders) - at);
    await writer.commit((isEnded ? ended : resting).take(count), 201);
    at += count;
    if (sweepEnded && batches++ % APPLIED_EVERY === 0) writer.reportAllApplied();
    if (Math.floor(at / REPORT_EVERY) > Math.floor((at - count) / REPORT_EVERY)) say(whole(at));
  }
};

const remove = (path: string): void => {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(`${path}${suffix}`, { force: true });
};
