/**
 * `sluice verify`, one shard: its file against central, while both are written to. Nothing is
 * locked: whatever is compared was in central at a named cut, and what is newer is left for the
 * next run.
 */
import type { Clock } from "../../shards/process/clock.ts";
import { ShardReader } from "../../shards/store/shard-reader.ts";
import type { CentralReader } from "../central/central-reader.ts";
import { type Cut, checkEnds } from "./cut.ts";
import { walkEntities } from "./entity-walk.ts";
import { type Difference, Findings } from "./findings.ts";
import { checkNewest, JournalWalk } from "./journal-walk.ts";
import { countOlder, walkOrders } from "./order-walk.ts";
import { readVerified, writeVerified } from "./state-file.ts";

export interface VerifyOptions {
  /** The shard's file; its writer may run. */
  readonly file: string;
  readonly central: CentralReader;
  /** Central keeps refusals for so long. */
  readonly outcomeRetentionMs: number;
  /** Differences that are kept; all are counted. */
  readonly shownMax: number;
  /** Where the position of this run is kept for {@link VerifyOptions.resume}. */
  readonly stateFile: string;
  /** Go on behind what an earlier run found the same. */
  readonly resume: boolean;
  readonly clock: Clock;
  readonly onProgress: (progress: VerifyProgress) => void;
}

export interface VerifyProgress {
  /** CommitSeqs walked and to walk. */
  readonly done: number;
  readonly total: number;
  readonly differences: number;
}

/** What one run has compared and found. */
export interface Verification {
  readonly shard: string;
  readonly centralId: string;
  readonly cut: Cut;
  /** The commitSeq behind which this run began; null: at the journal's oldest record. */
  readonly resumedAfter: number | null;
  readonly compared: {
    readonly records: number;
    /** Rows of the shard's own table of orders. */
    readonly orderRows: number;
    /** Orders that the shard has let go of, counted in central. */
    readonly olderOrders: number;
    /** Positions, settings, trading states, accounts, transfers, executions that were put aside. */
    readonly entities: number;
  };
  readonly differenceCount: number;
  /** The first of them. */
  readonly differences: readonly Difference[];
}

/** How often the position is written. */
const SAVE_EVERY_MS = 500;

/** Throws UsageError when the file cannot be read, OperatingError when central can't be. */
export const verifyShard = async (options: VerifyOptions): Promise<Verification> => {
  const shard = ShardReader.open(options.file);
  try {
    return await verifyOpened({ ...options, shard });
  } finally {
    shard.close();
  }
};

interface Opened extends VerifyOptions {
  readonly shard: ShardReader;
}

const verifyOpened = async (options: Opened): Promise<Verification> => {
  const { shard, central, clock, stateFile } = options;
  const { pins } = shard;
  const findings = new Findings(options.shownMax);
  const centralId = await central.centralId();
  const known = options.resume ? readVerified(stateFile, pins) : null;
  const cursors = await central.cursors(pins.shard);
  const cut: Cut = { at: clock.now(), epoch: pins.epoch, cursors };
  const result = (walk: Partial<Verification["compared"]>): Verification => ({
    shard: pins.shard,
    centralId,
    cut,
    resumedAfter: known?.commitSeq ?? null,
    compared: { records: 0, orderRows: 0, olderOrders: 0, entities: 0, ...walk },
    differenceCount: findings.count,
    differences: findings.first,
  });
  if (centralId !== pins.centralId) {
    const detail = `the file belongs to ${pins.centralId}, this is ${centralId}`;
    findings.add("other_central", pins.shard, detail);
    return result({});
  }
  checkEnds(shard, cut, findings);
  const walk = await walkJournal(options, cut, findings, known);
  const orderRows = await walkOrders({ shard, central, findings }, walk.cutCommitSeq, () => {});
  const entities = await walkEntities({ shard, central, findings }, walk.cutCommitSeq);
  const first = walk.firstOrderId ?? (known?.orderId == null ? null : known.orderId + ID_STEP);
  const olderOrders = first === null ? 0 : await countOlder(central, pins, first, findings);
  await checkNewest(shard, central, findings);
  return result({ records: walk.records, orderRows, olderOrders, entities });
};

/** Ids of one shard are so far apart. */
const ID_STEP = 1024;

/** The position is kept up to the first difference only, so that a resumed run finds it again. */
const walkJournal = async (
  options: Opened,
  cut: Cut,
  findings: Findings,
  from: ReturnType<typeof readVerified>,
): Promise<JournalWalk> => {
  const { shard, central, clock, outcomeRetentionMs, stateFile, onProgress } = options;
  const start = Math.max(0, from?.commitSeq ?? shard.firstCommitSeq() ?? 0);
  const total = Math.max(1, shard.sequences().commitSeq - start);
  let savedAt = clock.monotonicMs();
  const save = (walk: JournalWalk): void => {
    if (findings.count === 0) writeVerified(stateFile, shard.pins, walk.verified);
    savedAt = clock.monotonicMs();
  };
  const onChunk = (walk: JournalWalk): void => {
    if (clock.monotonicMs() - savedAt >= SAVE_EVERY_MS) save(walk);
    const done = Math.min(total, Math.max(0, walk.commitSeq - start));
    onProgress({ done, total, differences: findings.count });
  };
  const now = () => clock.now();
  const parts = { shard, central, cut, findings, now, outcomeRetentionMs, onChunk };
  const walk = new JournalWalk(parts, from);
  await walk.run();
  save(walk);
  return walk;
};
