/** The running shard: writer, progress, timers and socket, joined. */

import type { ShardSettings } from "./config.ts";
import type { ShardName } from "./domain/brands.ts";
import type { Command, Query } from "./domain/command.ts";
import type { Clock } from "./process/clock.ts";
import { drainStep } from "./process/drain-step.ts";
import { reasonOf } from "./process/failure.ts";
import type { Logger } from "./process/logger.ts";
import type { Registry } from "./process/metrics.ts";
import { type Answer, NO_TIME } from "./protocol/answer.ts";
import type { Operation, OperationEntry } from "./protocol/operation.ts";
import type { ShardStatus } from "./protocol/status.ts";
import type { RelayNews } from "./relay/relay-handle.ts";
import { Admission } from "./writer/admission.ts";
import { problemAnswer } from "./writer/batch.ts";
import { EXPIRY_TICK_MS, Expiry } from "./writer/expiry.ts";
import { WriterMetrics } from "./writer/metrics.ts";
import { type Carried, ProgressTracker } from "./writer/progress.ts";
import { answerQuery } from "./writer/queries.ts";
import { type ApiConnection, type ShardServer, startShardServer } from "./writer/server.ts";
import { type InitialState, ShardState } from "./writer/state.ts";
import type { FileSizes, Watermarks, WriterStore } from "./writer/store-port.ts";
import { Writer } from "./writer/writer.ts";

export interface ShardParts {
  readonly shard: ShardName;
  readonly shardIndex: number;
  readonly listen: { readonly host: string; readonly port: number };
  readonly clusterSecret: string;
  readonly settings: ShardSettings;
  readonly opened: {
    readonly epoch: number;
    readonly centralId: string;
    readonly sqliteVersion: string;
    readonly loaded: Pick<
      InitialState,
      "partitionCount" | "generation" | "orderCounter" | "commitSeq" | "openOrders" | "instruments"
    > & {
      readonly appliedCommitSeq: number;
      readonly appliedValueBytes: number;
      readonly streams: readonly (InitialState["streams"][number] &
        Watermarks["partitions"][number])[];
    };
  };
  readonly store: WriterStore;
  readonly hashKey: (key: string) => number;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly logger: Logger;
  /** There are new records for the relay. */
  readonly onRelayNotice: () => void;
  /** The relay has to send everything again that central lacks. */
  readonly onResend: () => void;
  readonly onClosed: () => void | Promise<void>;
  readonly onFailed: (reason: string, recoverable: boolean) => void;
}

/** How often free space is looked at, and how often changed progress is told. */
const DISK_LOOK_MS = 500;
const PROGRESS_MS = 5;
/** How long a drain waits for the relay to hand over what is committed. */
const HAND_OVER_MS = 3000;
const HAND_OVER_LOOK_MS = 10;
const CLOSE_MS_MAX = 1000;

export class Shard {
  readonly #parts: ShardParts;
  readonly #state: ShardState;
  readonly #writer: Writer;
  readonly #progress: ProgressTracker;
  readonly #expiry = new Expiry();
  readonly #metrics: WriterMetrics;
  readonly #admission: Admission;
  readonly #server: ShardServer;
  readonly #timers: Timer[] = [];
  readonly #drained = Promise.withResolvers<void>();
  #relay: { state: ShardStatus["relay"]["state"]; reason: string | null } = {
    state: "connecting",
    reason: null,
  };
  #sizes: FileSizes;
  #progressDue = false;

  constructor(parts: ShardParts) {
    this.#parts = parts;
    const { opened, settings, store, clock, logger, registry } = parts;
    const { epoch, loaded } = opened;
    this.#state = new ShardState({ ...parts, epoch, ...loaded });
    for (const order of this.#state.allOpenOrders()) this.#expiry.note(order);
    const watermarks = { ...loaded, partitions: loaded.streams };
    this.#progress = new ProgressTracker(this.#state, watermarks);
    this.#progress.committed(loaded.commitSeq, clock.now(), store.valueBytes);
    this.#admission = new Admission({
      freeSpaceFloorBytes: settings.freeSpaceFloor,
      backlogRecordsMax: settings.backlogRecordsMax,
      backlogBytesMax: settings.backlogBytesMax,
    });
    this.#admission.setBacklog(this.#progress.lagRecords, this.#progress.lagBytes);
    this.#sizes = store.sizes();
    this.#admission.setFreeSpace(this.#sizes.freeBytes);
    this.#metrics = new WriterMetrics(registry);
    this.#writer = new Writer({
      state: this.#state,
      store,
      hashKey: parts.hashKey,
      admission: this.#admission,
      clock,
      logger,
      metrics: this.#metrics,
      limits: {
        batchOrdersMax: settings.batchOrdersMax,
        intakeQueueMax: settings.intakeQueueMax,
        intakeWaitMaxMs: settings.intakeWaitMax,
        openOrdersMax: settings.openOrdersMax,
      },
      onCommitted: (orders, commitSeq, at) => {
        for (const { order } of orders) this.#expiry.note(order);
        this.#progress.committed(commitSeq, at, store.valueBytes);
        this.#admission.setBacklog(this.#progress.lagRecords, this.#progress.lagBytes);
        parts.onRelayNotice();
      },
      onDrained: () => this.#drained.resolve(),
      onFailed: parts.onFailed,
    });
    this.#metrics.watch(registry, {
      queue: () => this.#writer.waiting,
      openOrders: () => this.#state.openCount,
      replicatedCommitSeq: () => this.#progress.replicatedCommitSeq,
      backlogRecords: () => this.#progress.backlogRecords,
      backlogSeconds: () => this.#progress.backlogMs(clock.now()) / 1000,
      centralLagRecords: () => this.#progress.lagRecords,
      centralLagSeconds: () => this.#progress.lagMs(clock.now()) / 1000,
      walBytes: () => this.#sizes.walBytes,
      fileBytes: () => this.#sizes.fileBytes,
    });
    this.#server = this.#serve();
    this.#timers.push(
      setInterval(() => this.#expire(), EXPIRY_TICK_MS),
      setInterval(() => this.#lookAtDisk(), DISK_LOOK_MS),
    );
  }

  get port(): number {
    return this.#server.port;
  }

  #serve(): ShardServer {
    const { listen, clusterSecret, logger, registry, shard, shardIndex, opened, clock } =
      this.#parts;
    return startShardServer({
      ...listen,
      clusterSecret,
      logger,
      welcome: { shard, shardIndex, epoch: opened.epoch, centralId: opened.centralId },
      onOperation: (connection, entry) => this.#onOperation(connection, entry),
      progress: () => this.#progress.snapshot(clock.now()),
      onHttp: async (path) => {
        if (path === "/healthz") return Response.json({ status: "ok" });
        if (path !== "/metrics") return new Response("not found", { status: 404 });
        return new Response(await registry.metrics(), {
          headers: { "content-type": registry.contentType },
        });
      },
    });
  }

  #onOperation(connection: ApiConnection, entry: OperationEntry): void {
    const { operation, requestId, deadlineAt } = entry;
    if (isCommand(operation)) {
      this.#writer.submit(connection, requestId, deadlineAt, operation);
      return;
    }
    if (operation.kind === "raise_partitions") {
      this.#writer.raisePartitions(connection, requestId, operation.partitionCount);
      return;
    }
    if (operation.kind === "resend") {
      const { shard, onResend } = this.#parts;
      onResend();
      const body = JSON.stringify({ shard });
      const answer = { status: 202, kind: "final", place: null, body } as const;
      connection.answer({ requestId, ...answer, timing: NO_TIME });
      return;
    }
    const { store, hashKey, clock, registry, logger } = this.#parts;
    // After a commit whose outcome is open, memory may say less than the next start will find.
    if (this.#writer.state === "failed" && isAboutOrders(operation)) {
      const problem = problemAnswer({
        code: "shard_unavailable",
        detail: "The shard is stopping.",
      });
      connection.answer({ requestId, ...problem, timing: NO_TIME });
      return;
    }
    answerQuery(
      {
        state: this.#state,
        store,
        hashKey,
        now: () => clock.now(),
        status: () => this.status(),
        metrics: () => registry.getMetricsAsJSON(),
      },
      operation,
    ).then(
      (answer) =>
        connection.answer({
          requestId,
          ...answer,
          timing: NO_TIME,
        }),
      (error: unknown) => {
        logger.error({ err: error, reason: reasonOf(error) }, "a query failed");
        const problem = problemAnswer({
          code: "internal_error",
          detail: "The shard could not answer.",
        });
        connection.answer({ requestId, ...problem, timing: NO_TIME });
      },
    );
  }

  onRelay(message: RelayNews): void {
    switch (message.type) {
      case "report":
        this.#advance(message.report);
        return;
      case "state":
        this.#relay = { state: message.state, reason: message.reason };
        return;
      case "refused":
        this.#relay = { state: "stopped", reason: message.reason };
        this.refuseFile(`the file is not the newest of this shard: ${message.reason}`);
        return;
    }
  }

  refuseFile(reason: string): void {
    this.#writer.refuseFile(reason);
  }

  #advance(carried: Carried): void {
    this.#parts.store.setWatermarks(this.#progress.advance(carried));
    this.#admission.setBacklog(this.#progress.lagRecords, this.#progress.lagBytes);
    if (this.#progressDue) return;
    this.#progressDue = true;
    setTimeout(() => {
      this.#progressDue = false;
      this.#tellProgress();
    }, PROGRESS_MS);
  }

  #tellProgress(): void {
    this.#server.broadcastProgress(this.#progress.snapshot(this.#parts.clock.now()));
  }

  /** Never more than leaves room for what clients send. */
  #expire(): void {
    const { clock, settings } = this.#parts;
    const room = Math.max(0, settings.intakeQueueMax / 2 - this.#writer.waiting);
    for (const orderId of this.#expiry.due(clock.now(), room)) {
      const answer = ({ kind }: Answer): void => {
        if (kind === "problem") this.#expiry.retry(orderId);
      };
      this.#writer.submit({ answer }, 0, Number.MAX_SAFE_INTEGER, { kind: "expire", orderId });
    }
  }

  #lookAtDisk(): void {
    this.#sizes = this.#parts.store.sizes();
    this.#admission.setFreeSpace(this.#sizes.freeBytes);
    // While central is behind and silent, the lag grows and nobody reports it.
    if (this.#progress.lagRecords > 0) this.#tellProgress();
  }

  status(): ShardStatus {
    const { shard, clock } = this.#parts;
    const { accepted, refused, batches } = this.#metrics.totals;
    const state = this.#writer.state;
    const lagMs = this.#progress.lagMs(clock.now());
    const lagRecords = this.#progress.lagRecords;
    return {
      shard,
      state: state === "flushing" || state === "drained" ? "draining" : state,
      reason: this.#writer.reason ?? this.#admission.problem()?.detail ?? null,
      epoch: this.#state.epoch,
      partitionCount: this.#state.partitionCount,
      generation: this.#state.generation,
      sqliteVersion: this.#parts.opened.sqliteVersion,
      commitSeq: this.#state.commitSeq,
      openOrders: this.#state.openCount,
      queue: this.#writer.waiting,
      ordersAccepted: accepted,
      ordersRefused: refused,
      batches,
      ...this.#sizes,
      relay: {
        ...this.#relay,
        backlogRecords: this.#progress.backlogRecords,
        lagMs: this.#progress.backlogMs(clock.now()),
      },
      central: { lagRecords, lagMs, stoppedPartitions: [...this.#progress.stoppedPartitions] },
    };
  }

  async drain(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#server.sayDraining();
    this.#writer.drain();
    await this.#drained.promise;
    const { clock, logger } = this.#parts;
    const giveUpAt = clock.monotonicMs() + HAND_OVER_MS;
    while (this.#progress.lagRecords > 0 && clock.monotonicMs() < giveUpAt) {
      await Bun.sleep(HAND_OVER_LOOK_MS);
    }
    const waiting = this.#progress.lagRecords;
    if (waiting > 0) logger.warn({ waiting }, "records wait in the file for the next start");
    await drainStep(logger, "closing connections", CLOSE_MS_MAX, this.#server.stop());
    await this.#parts.onClosed();
  }
}

const isAboutOrders = ({ kind }: Query): boolean => kind !== "status" && kind !== "metrics";

const isCommand = (operation: Operation): operation is Operation & Command =>
  operation.kind === "place" ||
  operation.kind === "amend" ||
  operation.kind === "cancel" ||
  operation.kind === "cancel_many";
