/**
 * Carries committed records to central, in the order of each partition's stream.
 *
 * It reads a chunk of the journal after its position, sends each partition's part (one `send` a
 * partition at a time), and goes on when all are safe. Straight to the applier, that means applied.
 * Through a broker it means replicated, and a second loop asks central how far it has got while
 * anything is outstanding. The watermark is the last record before the first that central lacks.
 *
 * After a restart or a lost connection it goes on where the broker is known to be, else where
 * central says it is: records may arrive twice, and central drops them.
 *
 * Records of a later generation, spread over more partitions, wait until central has all of the
 * one before: a symbol's records keep their order across the change.
 *
 * A partition that central has stopped is left alone on the direct way: its records stay in the
 * journal, the others go on. If central has what this file lacks, the file is an old copy, and the
 * shard must stop: that is told to `onRefused`.
 */
import type { Clock } from "../process/clock.ts";
import { codeOf, OperatingError, reasonOf } from "../process/failure.ts";
import type { Logger } from "../process/logger.ts";
import type { ApplierWelcome, Cursor } from "../protocol/hello.ts";
import { type CommittedRecord, ZERO_HASH } from "../protocol/record.ts";
import { type LaneReport, Lanes, StreamBroken } from "./lanes.ts";
import type {
  CentralView,
  Outbox,
  OutboxRecord,
  PartitionGeneration,
  Standing,
  StreamStanding,
  Transport,
} from "./ports.ts";
import { compareStanding } from "./standing.ts";

export interface RelayReport {
  /** Every record up to here is safe where it was sent: with a broker, there. */
  readonly replicatedCommitSeq: number;
  readonly appliedCommitSeq: number;
  readonly partitions: readonly LaneReport[];
  readonly stoppedPartitions: readonly number[];
}

export interface RelayOptions {
  readonly outbox: Outbox;
  readonly transport: Transport;
  /** Asked when records go through a broker; null on the direct way. */
  readonly central: CentralView | null;
  readonly centralId: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onReport: (report: RelayReport) => void;
  /** The journal is carried to its end; `notify` wakes it. */
  readonly onIdle: () => void;
  readonly onState: (state: "connecting" | "running", reason: string | null) => void;
  /** Central and this file exclude each other; the reason is a sentence. */
  readonly onRefused: (reason: string) => void;
}

/** Records read at a time: bounds memory, and the age of a read snapshot. */
const CHUNK_RECORDS = 2000;
const BACK_OFF_MIN_MS = 50;
const BACK_OFF_MAX_MS = 2000;
/**
 * Time from one read to the next: a record after a rest leaves at once, a stream of them in larger
 * sends, each of which costs broker, applier and central as much as a hundred records do.
 */
const PACE_MS = 25;
/** Pause between two questions to central while it lacks something and goes on. */
const ASK_PAUSE_MS = 15;
/** After so many answers without progress it is asked less often. */
const STILL_ANSWERS = 40;
const STILL_PAUSE_MS = 250;

export class Relay {
  readonly #options: RelayOptions;
  #lanes = new Lanes();
  #generations: readonly PartitionGeneration[] = [];
  #position = 0;
  #stopped: readonly number[] = [];
  #wake = Promise.withResolvers<void>();
  #outstanding = Promise.withResolvers<void>();
  #paused = false;
  #closed = false;
  /** Start again from what central has, whatever the broker was given. */
  #resend = false;
  /** Central's standing was not known when the lanes were opened. */
  #isBlind = false;
  #mustStartAgain = false;

  constructor(options: RelayOptions) {
    this.#options = options;
  }

  /** The writer has committed: there may be records to carry. */
  notify(): void {
    this.#wake.resolve();
  }

  /** While paused nothing is read, so that the write-ahead log can be truncated. */
  setPaused(paused: boolean): void {
    this.#paused = paused;
    if (!paused) this.notify();
  }

  /** Sends everything again that central lacks: the broker, or a part of central, has lost it. */
  resend(): void {
    this.#resend = true;
    this.#startAgain();
  }

  #startAgain(): void {
    this.#mustStartAgain = true;
    this.notify();
  }

  close(): void {
    this.#closed = true;
    this.notify();
    this.#outstanding.resolve();
    this.#options.transport.close();
    this.#options.central?.close();
  }

  /** Runs until closed or refused. */
  async run(): Promise<void> {
    await Promise.all([this.#carryAlways(), this.#options.central && this.#askAlways()]);
  }

  async #carryAlways(): Promise<void> {
    const { onState, logger } = this.#options;
    let backOffMs = BACK_OFF_MIN_MS;
    while (!this.#closed) {
      try {
        await this.#start();
        if (this.#closed) return;
        onState("running", null);
        backOffMs = BACK_OFF_MIN_MS;
        await this.#carry();
      } catch (error) {
        if (this.#closed) return;
        if (error instanceof StreamBroken) return this.#refuse(error.message);
        if (!isPassing(error)) throw error;
        onState("connecting", reasonOf(error));
        const level = backOffMs === BACK_OFF_MIN_MS ? "warn" : "debug";
        logger[level]({ reason: reasonOf(error) }, "the relay connects again");
        await Bun.sleep(backOffMs);
        backOffMs = Math.min(BACK_OFF_MAX_MS, backOffMs * 2);
      }
    }
  }

  #refuse(reason: string): void {
    if (this.#closed) return;
    this.close();
    this.#options.onRefused(reason);
  }

  /** Connects, compares, and opens a lane for each stream. */
  async #start(): Promise<void> {
    const { transport, outbox } = this.#options;
    const welcome = (await transport.connect()) ?? (await this.#askOnce());
    const standing = outbox.standing();
    if (welcome !== null && !this.#accepts(standing, welcome)) return;
    const fromCentral = this.#options.central === null || this.#resend;
    if (fromCentral && welcome === null) throw notKnown("central has to say where to go on");
    this.#resend = false;
    this.#mustStartAgain = false;
    this.#isBlind = welcome === null;
    this.#generations = outbox.generations();
    this.#lanes = new Lanes();
    for (const stream of standing.streams) {
      this.#open(stream, standing.epoch, welcome?.cursors, fromCentral);
    }
    this.#position = startOf(standing, welcome);
    this.#report();
  }

  #open(
    stream: StreamStanding,
    epoch: number,
    cursors: readonly Cursor[] | undefined,
    fromCentral: boolean,
  ): void {
    const { partition, replicatedSeq, replicatedHash, appliedSeq } = stream;
    const isKnown = replicatedHash !== "";
    if (cursors === undefined) {
      if (!isKnown) throw notKnown(`where the broker is with partition ${partition} is not known`);
      const cursor = { partition, epoch, seq: appliedSeq, hash: ZERO_HASH };
      this.#lanes.open(cursor, { seq: replicatedSeq, hash: replicatedHash }, "none");
      return;
    }
    const known = cursors.find((one) => one.partition === partition);
    const isOfEpoch = known?.epoch === epoch;
    const cursor = isOfEpoch ? known : { partition, epoch, seq: 0, hash: known?.hash ?? ZERO_HASH };
    const isAhead = !fromCentral && isKnown && replicatedSeq >= cursor.seq;
    const replicated = isAhead ? { seq: replicatedSeq, hash: replicatedHash } : cursor;
    this.#lanes.open(cursor, replicated, this.#options.central === null ? "next" : "adjacent");
  }

  #accepts(standing: Standing, central: ApplierWelcome): boolean {
    const { centralId } = this.#options;
    const refusal =
      central.centralId === centralId
        ? compareStanding(standing, central)
        : `central is ${central.centralId}, the file belongs to ${centralId}`;
    if (refusal !== undefined) this.#refuse(refusal);
    return refusal === undefined;
  }

  async #carry(): Promise<void> {
    const { clock } = this.#options;
    let readAtMs = Number.NEGATIVE_INFINITY;
    for (;;) {
      const restMs = readAtMs + PACE_MS - clock.monotonicMs();
      if (restMs > 0) await Bun.sleep(restMs);
      if (this.#closed || this.#mustStartAgain) return;
      readAtMs = clock.monotonicMs();
      this.#wake = Promise.withResolvers<void>();
      const next = this.#paused ? [] : this.#options.outbox.read(this.#position, CHUNK_RECORDS);
      if (next.length === 0) {
        this.#options.onIdle();
        await this.#wake.promise;
        continue;
      }
      this.#openNewLanes(next);
      const generation = this.#generationAt(next[0]?.commitSeq ?? 0);
      if (this.#mustWait(generation)) {
        await this.#wake.promise;
        continue;
      }
      const chunk = next.filter(({ commitSeq }) => this.#generationAt(commitSeq) === generation);
      const sends = this.#lanes.take(chunk);
      // The broker may have all of it from before a restart: then no send tells that central lacks it.
      if (this.#lanes.isOutstanding) this.#outstanding.resolve();
      await Promise.all(sends.map((records) => this.#send(records, generation.generation)));
      this.#position = chunk.at(-1)?.commitSeq ?? this.#position;
      this.#report();
    }
  }

  /** A generation begins in partitions that are new, so its first record is met without a lane. */
  #openNewLanes(chunk: readonly OutboxRecord[]): void {
    if (chunk.every(({ partition }) => this.#lanes.has(partition))) return;
    const { outbox } = this.#options;
    const { epoch, streams } = outbox.standing();
    // Read after the streams: whatever partition has a lane, its generation is known.
    this.#generations = outbox.generations();
    for (const { partition } of streams) {
      if (this.#lanes.has(partition)) continue;
      const cursor = { partition, epoch, seq: 0, hash: ZERO_HASH };
      this.#lanes.open(cursor, cursor, "next");
    }
  }

  #generationAt(commitSeq: number): PartitionGeneration {
    const found = this.#generations.findLast(({ firstCommitSeq }) => firstCommitSeq <= commitSeq);
    if (found === undefined) throw new Error(`no generation for record ${commitSeq}`);
    return found;
  }

  #mustWait({ firstCommitSeq }: PartitionGeneration): boolean {
    const isFirst = this.#position < firstCommitSeq;
    return isFirst && this.#lanes.appliedCommitSeq(this.#position) < this.#position;
  }

  async #send(records: readonly CommittedRecord[], generation: number): Promise<void> {
    const last = records.at(-1);
    if (last === undefined) return;
    const result = await this.#options.transport.send(records, generation);
    if (result.kind === "replicated") {
      this.#lanes.replicated(last);
      this.#outstanding.resolve();
      // Another partition of the same read may hang: what has got through is told.
      return this.#report();
    }
    if (result.kind === "applied") this.#lanes.applied(result.cursor);
    if (result.kind === "stopped" && result.stopped.code === "old_epoch") {
      throw new StreamBroken(`central takes nothing more of this file: ${result.stopped.detail}`);
    }
    // Central may have taken a part before it stopped: the first that it lacks is held.
    const lacked = records.find((record) => !this.#lanes.isApplied(record));
    if (lacked === undefined) return;
    this.#lanes.hold(lacked);
    const stopped = result.kind === "stopped" ? result.stopped : { partition: last.partition };
    this.#options.logger.error({ ...stopped }, "central stopped a partition of this shard");
  }

  async #askAlways(): Promise<void> {
    const { logger } = this.#options;
    let failures = 0;
    let still = 0;
    while (!this.#closed) {
      if (!this.#lanes.isOutstanding && !this.#isBlind) {
        this.#outstanding = Promise.withResolvers<void>();
        await this.#outstanding.promise;
        still = 0;
      }
      try {
        still = (await this.#ask()) ? 0 : still + 1;
        if (failures > 0) logger.info("central answers");
        failures = 0;
      } catch (error) {
        if (this.#closed) return;
        if (!isPassing(error)) throw error;
        if (failures === 0) logger.warn({ reason: reasonOf(error) }, "central is silent");
        failures++;
      }
      const pauseMs = still > STILL_ANSWERS ? STILL_PAUSE_MS : ASK_PAUSE_MS;
      await Bun.sleep(Math.min(BACK_OFF_MAX_MS, pauseMs * 2 ** Math.min(failures, 10)));
    }
  }

  /** Gives whether central has moved. */
  async #ask(): Promise<boolean> {
    const { central, outbox } = this.#options;
    if (central === null) return false;
    const answer = await central.ask();
    const own = outbox.standing();
    if (this.#closed || !this.#accepts(own, answer)) return false;
    this.#stopped = answer.stopped.map(({ partition }) => partition);
    if (this.#isBlind) {
      // Only a start compares the file with central record by record: until then nothing is applied.
      this.#startAgain();
      return false;
    }
    const moved = answer.cursors
      .filter((cursor) => cursor.epoch === own.epoch)
      .map((cursor) => this.#lanes.applied(cursor));
    this.#report();
    this.notify();
    return moved.includes(true);
  }

  async #askOnce(): Promise<ApplierWelcome | null> {
    const asked = this.#options.central?.ask().catch(() => null);
    return (await Promise.race([asked, Bun.sleep(FIRST_ANSWER_MS_MAX)])) ?? null;
  }

  #report(): void {
    this.#options.onReport({
      replicatedCommitSeq: this.#position,
      appliedCommitSeq: this.#lanes.appliedCommitSeq(this.#position),
      partitions: this.#lanes.report(),
      stoppedPartitions: this.#options.central === null ? this.#lanes.held : this.#stopped,
    });
  }
}

/** A start goes on without central's word after this. */
const FIRST_ANSWER_MS_MAX = 500;

/** What another try may find gone; anything else is a defect and ends the thread. */
const isPassing = (error: unknown): boolean =>
  (error instanceof OperatingError && error.retryable) ||
  (codeOf(error) ?? "").startsWith("SQLITE_");

const notKnown = (why: string): OperatingError =>
  new OperatingError("central_unreachable", why, { retryable: true });

/** Before the first record that central may lack. */
const startOf = (standing: Standing, central: ApplierWelcome | null): number => {
  const isBehind = standing.streams.some(({ partition, appliedSeq }) => {
    if (central === null) return false;
    const cursor = central.cursors.find((one) => one.partition === partition);
    return (cursor?.epoch === standing.epoch ? cursor.seq : 0) < appliedSeq;
  });
  return isBehind ? 0 : standing.appliedCommitSeq;
};
