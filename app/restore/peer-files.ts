/** The files of all other shards, held while none of them runs. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { purseKey } from "../../shards/domain/entities.ts";
import type { ShardOfMap } from "../../shards/domain/symbol-map.ts";
import { reasonOf, UsageError } from "../../shards/process/failure.ts";
import type { FileLock } from "../../shards/process/file-lock.ts";
import { compareStanding } from "../../shards/relay/standing.ts";
import { lockShardFile } from "../../shards/store/open-shard.ts";
import { PeerFile } from "../../shards/store/peer-file.ts";
import type { CentralReader } from "../central/central-reader.ts";
import type { Peers } from "./settle-purses.ts";

interface Held {
  readonly shardIndex: number;
  readonly file: PeerFile;
  readonly lock: FileLock;
}

export interface PeerOptions {
  readonly dataDir: string;
  /** Without the one that is restored. */
  readonly shards: readonly ShardOfMap[];
  readonly central: CentralReader;
  /** Milliseconds since 1970. */
  readonly now: number;
}

export class PeerFiles {
  readonly #held: readonly Held[];
  /** Why not all of them are here and at rest, a sentence each; then none is of use. */
  readonly missing: readonly string[];

  static async open(options: PeerOptions): Promise<PeerFiles> {
    const { dataDir, shards, central, now } = options;
    const held: Held[] = [];
    const missing: string[] = [];
    const centralId = await central.centralId();
    for (const { name, index } of shards) {
      const path = join(dataDir, `${name}.sqlite`);
      if (!existsSync(path)) {
        if ((await central.epochOf(name)) > 0) missing.push(`${path} is not here`);
        continue;
      }
      const opened = hold(dataDir, name, index, now);
      if (typeof opened === "string") {
        missing.push(opened);
        continue;
      }
      held.push(opened);
      const why = await whyNoUse(opened.file, name, { central, centralId });
      if (why !== undefined) missing.push(`${path} ${why}`);
    }
    return new PeerFiles(held, missing);
  }

  private constructor(held: readonly Held[], missing: readonly string[]) {
    this.#held = held;
    this.missing = missing;
  }

  purses(): Peers {
    return new Map(
      this.#held.map(({ shardIndex, file }) => {
        const purses = file.purses();
        const named = purses.map((one) => [purseKey(one.accountId, one.asset), one] as const);
        return [shardIndex, new Map(named)] as const;
      }),
    );
  }

  /** Their banks refuse from now on what an older file of that shard says. */
  beginEpoch(shardIndex: number, epoch: number): void {
    for (const { file } of this.#held) file.beginEpoch(shardIndex, epoch);
  }

  close(): void {
    for (const { file, lock } of this.#held) {
      file.close();
      lock.release();
    }
  }
}

/** Why its numbers are not the shard's last ones; undefined when they are. */
const whyNoUse = async (
  file: PeerFile,
  name: string,
  { central, centralId }: { readonly central: CentralReader; readonly centralId: string },
): Promise<string | undefined> => {
  const { pinned, isReconciling } = file;
  if (pinned.centralId !== centralId) return "belongs to another central store";
  const epoch = await central.epochOf(name);
  if (pinned.epoch !== epoch) return `is of epoch ${pinned.epoch}, central knows ${epoch}`;
  const cursors = [...(await central.cursors(name))];
  const older = compareStanding({ epoch, streams: file.streams() }, { epoch, cursors });
  if (older !== undefined) return `is not the newest file: ${older}`;
  return isReconciling ? "was itself restored without the others" : undefined;
};

const hold = (dataDir: string, name: string, shardIndex: number, now: number): Held | string => {
  let lock: FileLock;
  try {
    lock = lockShardFile(join(dataDir, `${name}.lock`), now);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return `${name} runs`;
  }
  try {
    return { shardIndex, file: PeerFile.open(join(dataDir, `${name}.sqlite`), now), lock };
  } catch (error) {
    lock.release();
    if (!(error instanceof UsageError)) throw error;
    return reasonOf(error);
  }
};
