import { statSync } from "node:fs";
import { SingleBar } from "cli-progress";
import type { AccountId } from "../../../shards/domain/brands.ts";
import { type Clock, systemClock } from "../../../shards/process/clock.ts";
import { EXIT, reasonOf, UsageError } from "../../../shards/process/failure.ts";
import type { Signer } from "../signing.ts";
import { createOrderSender, type OrderSender } from "./order-sender.ts";
import { Tally } from "./tally.ts";
import { readTape, type TapeRow } from "./tape.ts";

export interface ReplayArguments {
  readonly file: string;
  readonly url: string;
  /** `max`, or `1` for the tape's own times. */
  readonly speed: "max" | "1";
  readonly accounts: number;
  /** Requests in flight. */
  readonly connections: number;
}

const ROW_TIME_MS_MAX = 60_000;
const TOKEN_TTL_MS = 24 * 3_600_000;
const TOKEN_AGE_MS_MAX = TOKEN_TTL_MS / 2;
const REPORT_EVERY_MS = 5000;
const REDRAW_EVERY_MS = 200;

/** `sluice replay`: prints a summary and gives the exit code, 1 when a row has no certain answer. */
export const replay = async (args: ReplayArguments, signer: Signer): Promise<number> => {
  const clock = systemClock;
  await expectServer(args.url);
  const send = createOrderSender({
    url: args.url,
    tokenFor: rememberTokens(signer, clock),
    accounts: args.accounts,
    clock,
    rowTimeMsMax: ROW_TIME_MS_MAX,
  });
  const tally = new Tally();
  const progress = createProgress(args.file, tally);
  const startedMs = clock.monotonicMs();
  try {
    const rows = readTape(args.file, progress.read);
    const paced = args.speed === "1" ? atTapeSpeed(rows, clock) : rows;
    await sendAll(paced, { connections: args.connections, send, tally, clock });
  } finally {
    progress.end();
    for (const line of tally.summary(clock.monotonicMs() - startedMs)) console.log(line);
  }
  return tally.certain ? EXIT.well : EXIT.problemFound;
};

/**
 * Sends rows in the tape's order, `connections` at a time. At the first row that cannot be read or
 * sent, or that got no certain answer, nothing new is started: repeating the replay is safe. What is
 * in flight is waited for, then an error is thrown on.
 */
export const sendAll = async (
  rows: AsyncGenerator<TapeRow, void, void>,
  options: {
    readonly connections: number;
    readonly send: OrderSender;
    readonly tally: Tally;
    readonly clock: Clock;
  },
): Promise<void> => {
  const { send, tally, clock } = options;
  const work = async (): Promise<void> => {
    for await (const row of rows) {
      const sentMs = clock.monotonicMs();
      const outcome = await send(row);
      tally.add(outcome, clock.monotonicMs() - sentMs);
      if (outcome.type === "unknown" || outcome.type === "notTaken") return;
    }
  };
  const lanes = await Promise.allSettled(Array.from({ length: options.connections }, work));
  const failed = lanes.find((lane) => lane.status === "rejected");
  if (failed !== undefined) throw failed.reason;
};

/** Holds each row until as long after the first as the tape says; a time that goes back waits not. */
export async function* atTapeSpeed(
  rows: AsyncGenerator<TapeRow, void, void>,
  clock: Clock,
): AsyncGenerator<TapeRow, void, void> {
  let offsetMs: number | undefined;
  for await (const row of rows) {
    offsetMs ??= clock.monotonicMs() - row.timestampMs;
    const waitMs = row.timestampMs + offsetMs - clock.monotonicMs();
    if (waitMs > 0) await Bun.sleep(waitMs);
    yield row;
  }
}

/** Says at once what a wrong `--url` would else say a minute later, row by row. */
const expectServer = async (url: string): Promise<void> => {
  try {
    await fetch(`${url}/healthz`);
  } catch (error) {
    throw new UsageError(
      `--url ${url} does not answer (${reasonOf(error)}): start the server, or give its address.`,
    );
  }
};

const rememberTokens = (
  signer: Signer,
  clock: Clock,
): ((account: AccountId) => Promise<string>) => {
  const tokens = new Map<AccountId, { readonly token: Promise<string>; readonly madeMs: number }>();
  return (account) => {
    const known = tokens.get(account);
    const nowMs = clock.monotonicMs();
    if (known !== undefined && nowMs - known.madeMs < TOKEN_AGE_MS_MAX) return known.token;
    const token = signer.sign(account, ["trade"], TOKEN_TTL_MS);
    tokens.set(account, { token, madeMs: nowMs });
    return token;
  };
};

interface Progress {
  read(bytes: number): void;
  end(): void;
}

/** A bar on a terminal, else a line each five seconds. */
const createProgress = (file: string, tally: Tally): Progress => {
  const bytesTotal = sizeOf(file);
  let bytesRead = 0;
  const read = (bytes: number): void => {
    bytesRead = bytes;
  };
  if (!process.stderr.isTTY) {
    const percent = (): string => ((bytesRead / bytesTotal) * 100).toFixed(0);
    const report = (): void => console.error(`${percent()} % read, ${tally.sent} sent`);
    const timer = setInterval(report, REPORT_EVERY_MS);
    return { read, end: () => clearInterval(timer) };
  }
  const bar = new SingleBar({
    format: "{bar} {percentage} % | {sent} sent | {unknown} unknown | {duration_formatted}",
    hideCursor: true,
    clearOnComplete: true,
  });
  bar.start(bytesTotal, 0, { sent: 0, unknown: 0 });
  const redraw = (): void => {
    bar.update(bytesRead, { sent: tally.sent, unknown: tally.unknown });
  };
  const timer = setInterval(redraw, REDRAW_EVERY_MS);
  return {
    read,
    end: () => {
      clearInterval(timer);
      bar.stop();
    },
  };
};

const sizeOf = (file: string): number => {
  try {
    return statSync(file).size;
  } catch (error) {
    throw new UsageError(`${file} cannot be read: ${reasonOf(error)}.`);
  }
};
