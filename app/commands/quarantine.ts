import { join } from "node:path";
import { EXIT, UsageError } from "../../shards/process/failure.ts";
import { CENTRAL_FILE } from "../central/embedded/sqlite-file.ts";
import {
  type Quarantine,
  type QuarantineRow,
  type Retry,
  readQuarantine,
  retryQuarantined,
} from "../central/mysql/quarantine.ts";
import type { StoppedStream } from "../central/store.ts";
import type { Config } from "../config.ts";
import { gatherEmbedded } from "../doctor/gather/gather-embedded.ts";
import { wayOut } from "../doctor/way-out.ts";

/** Raised when a field goes or changes its meaning. */
const JSON_SCHEMA = 1;
/** Nobody reads more at a time. */
const RECORDS_MAX = 1000;

/** `sluice quarantine list`: what to print. */
export const quarantineText = async (
  config: Config,
  { json }: { readonly json: boolean },
): Promise<string> => {
  const quarantine = await read(config);
  if (json) return JSON.stringify({ schema: JSON_SCHEMA, ...quarantine }, undefined, 2);
  const { stopped, records } = quarantine;
  if (stopped.length + records.length === 0) return "No stream is stopped, no record is put aside.";
  return [
    `Stopped streams: ${stopped.length}`,
    ...stopped.flatMap(stoppedLines),
    `Records put aside: ${records.length}${records.length === RECORDS_MAX ? " or more" : ""}`,
    ...records.flatMap((record) => recordLines(record, stopped)),
  ].join("\n");
};

const read = async (config: Config): Promise<Quarantine> => {
  if (config.mysqlUrl !== undefined) return readQuarantine(config.mysqlUrl, RECORDS_MAX);
  const central = await gatherEmbedded(join(config.dataDir, CENTRAL_FILE));
  if (central !== null) return { stopped: central.stopped, records: [] };
  throw new UsageError(
    `There is no central store in ${config.dataDir}: choose the folder with --data-dir, or set ` +
      "MYSQL_URL.",
  );
};

const timeText = (ms: number): string => new Date(ms).toISOString();

const stoppedLines = (stop: StoppedStream): readonly string[] => {
  const { shard, epoch, partition, code, detail, stoppedAt } = stop;
  return [
    `  ${shard}, epoch ${epoch}, partition ${partition}: ${code}, since ${timeText(stoppedAt)}`,
    `    what  ${detail}`,
    `    do    ${wayOut(code, shard)}`,
  ];
};

const recordLines = (
  record: QuarantineRow,
  stopped: readonly StoppedStream[],
): readonly string[] => {
  const { partition, offset, shard, epoch, seq, code, detail, quarantinedAt } = record;
  const place = offset === null ? "" : `, offset ${offset}`;
  const owner = shard === null ? "of no shard" : `of ${shard}, epoch ${epoch}, record ${seq}`;
  return [
    `  partition ${partition}${place}, ${owner}: ${code}, ${timeText(quarantinedAt)}`,
    `    what  ${detail}`,
    `    do    ${whatToDo(record, stopped)}`,
  ];
};

const whatToDo = (
  { partition, offset, shard, epoch, code }: QuarantineRow,
  stopped: readonly StoppedStream[],
): string => {
  if (offset !== null) {
    return (
      "Start the newest version's appliers, then " +
      `\`sluice quarantine retry --partition ${partition}\`. A record that none of our shards wrote ` +
      "does no harm; find out who writes to this topic."
    );
  }
  const isStopped = stopped.some(
    (stop) => stop.shard === shard && stop.epoch === epoch && stop.partition === partition,
  );
  if (!isStopped || shard === null) return "Nothing: its stream has gone on since.";
  return wayOut(code, shard);
};

export interface RetryFlags {
  readonly partition: string;
  readonly shard?: string;
}

/** `sluice quarantine retry`: prints what was done and gives the exit code, 1 when nothing was. */
export const runRetry = async (config: Config, flags: RetryFlags): Promise<number> => {
  if (config.mysqlUrl === undefined) {
    throw new UsageError(
      "quarantine retry reads the topic again, and MYSQL_URL is not set: the embedded store reads " +
        "no topic. `sluice resend --shard NAME` makes a stopped stream go on.",
    );
  }
  const partition = parsePartition(flags.partition);
  const retry = await retryQuarantined(config.mysqlUrl, { partition, shard: flags.shard ?? null });
  console.log(retryText(retry, partition));
  return retry.kind === "rewound" ? EXIT.well : EXIT.problemFound;
};

const parsePartition = (text: string): number => {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new UsageError(`--partition = ${JSON.stringify(text)}: expected a whole number from 0 up.`);
};

const retryText = (retry: Retry, partition: number): string => {
  switch (retry.kind) {
    case "nothing":
      return `No such record of partition ${partition} is put aside.`;
    case "resend":
      return (
        "These records stopped their streams, and what follows them was left out. Their shards " +
        `send all of it again: ${retry.shards.map((s) => `\`sluice resend --shard ${s}\``).join(", ")}.`
      );
    case "rewound":
      return (
        `Partition ${partition} is read again from offset ${retry.offset} (it was at ` +
        `${retry.position}); ${retry.records} taken out of the quarantine. A running applier ` +
        "notices within 10 s; what it still can't read is put aside again."
      );
  }
};
