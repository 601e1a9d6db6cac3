import { UsageError } from "../../../shards/process/failure.ts";
import type { Config } from "../../config.ts";
import { hostPort } from "../addresses.ts";
import { createSigner } from "../signing.ts";
import { replay } from "./replay.ts";

/** As they stand on the command line. */
export interface ReplayFlags {
  readonly file: string;
  readonly speed: string;
  readonly accounts: string;
  readonly connections: string;
  readonly url?: string;
}

const ACCOUNTS_MAX = 1_000_000;
/** Bun sends no more requests at a time. */
const CONNECTIONS_MAX = 256;

/** Gives the exit code. Throws UsageError for a flag or a tape that cannot be used. */
export const runReplay = (config: Config, flags: ReplayFlags): Promise<number> => {
  const { file, speed } = flags;
  if (speed !== "max" && speed !== "1") {
    throw new UsageError(`--speed = ${JSON.stringify(speed)}: expected max or 1.`);
  }
  const accounts = parseCount("--accounts", flags.accounts, ACCOUNTS_MAX);
  const connections = parseCount("--connections", flags.connections, CONNECTIONS_MAX);
  const url = parseUrl(flags.url ?? `http://${hostPort(config.host, config.port)}`);
  return replay({ file, url, speed, accounts, connections }, createSigner(config));
};

const parseCount = (flag: string, text: string, max: number): number => {
  const count = Number(text);
  if (/^[1-9]\d*$/.test(text) && count <= max) return count;
  throw new UsageError(`${flag} = ${JSON.stringify(text)}: expected a whole number, 1 to ${max}.`);
};

const parseUrl = (text: string): string => {
  const url = URL.parse(text);
  if (url?.protocol === "http:" || url?.protocol === "https:") return text.replace(/\/+$/, "");
  throw new UsageError(`--url = ${JSON.stringify(text)}: expected like http://127.0.0.1:8080.`);
};
