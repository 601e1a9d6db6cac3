/** The running shard: writer, progress, timers and socket, joined. */

import type { ShardSettings } from "./config.ts";
import type { AccountId, ShardName } from "./domain/brands.ts";
import type { BankMessage } from "./domain/escrow/messages.ts";
import { DEFAULT_ESCROW_POLICY } from "./domain/escrow/policy.ts";
import type { RiskMode, RiskSettings, Venue } from "./domain/risk/types.ts";
import { Peers } from "./peers/peers.ts";
import type { Clock } from "./process/clock.ts";
import { drainStep } from "./process/drain-step.ts";
import { randomId } from "./process/ids.ts";
import type { Logger } from "./process/logger.ts";
import type { Registry } from "./process/metrics.ts";
import type { ShardStatus } from "./protocol/status.ts";
import type { RelayNews } from "./relay/relay-handle.ts";
import { Admission } from "./writer/admission.ts";
import { EXPIRY_TICK_MS } from "./writer/expiry.ts";
import { WriterMetrics } from "./writer/metrics.ts";
import { Operations } from "./writer/operations.ts";
import { OwnCommands } from "./writer/own-commands.ts";
import { type Carried, ProgressTracker } from "./writer/progress.ts";
import type { RiskTerms } from "./writer/risk/risk-state.ts";
import { type ShardServer, startShardServer } from "./writer/server.ts";
import { type InitialState, ShardState } from "./writer/state.ts";
import type { FileSizes, Watermarks, WriterStore } from "./writer/store-port.ts";
import { type Committed, Writer } from "./writer/writer.ts";

export interface ShardParts {
  readonly shard: ShardName;
  readonly shardIndex: number;
  readonly listen: { readonly host: string; readonly port: number };
  readonly clusterSecret: string;
  readonly settings: ShardSettings;
  readonly risk: RiskMode;
  readonly venue: Venue;
  readonly riskSettings: RiskSettings;
  /** Of all shards of the map, this one too. */
  readonly shardIndexes: readonly number[];
  /** The other ones, each with `ws://host:port`. */
  readonly otherShards: readonly { readonly shardIndex: number; readonly url: string }[];
  /** The index of the account's home shard. */
  readonly homeOf: (accountId: AccountId) => number;
  readonly opened: {
    readonly epoch: number;
    readonly centralId: string;
    readonly sqliteVersion: string;
    readonly loaded: Pick<
      InitialState,
      | "partitionCount"
      | "generation"
      | "orderCounter"
      | "commitSeq"
      | "openOrders"
      | "instruments"
      | "risk"
    > & {
      /** Restored without the other shards' numbers: no purse may take new exposure. */
      readonly isReconciling: boolean;
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
  readonly #own: OwnCommands;
  readonly #peers: Peers;
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
    const { opened, settings, store, clock, registry } = parts;
    const { epoch, loaded } = opened;
    this.#state = new ShardState({ ...parts, epoch, ...loaded }, this.#riskTerms());
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
    this.#writer = this.#makeWriter();
    const { intakeQueueMax } = settings;
    this.#own = new OwnCommands({
      state: this.#state,
      writer: this.#writer,
      clock,
      intakeQueueMax,
    });
    this.#watch();
    if (this.#unsettled !== null) parts.logger.error(this.#unsettled);
    this.#server = this.#serve();
    this.#peers = this.#connectPeers();
    this.#own.start();
    this.#timers.push(
      setInterval(() => this.#own.tick(), EXPIRY_TICK_MS),
      setInterval(() => this.#lookAtDisk(), DISK_LOOK_MS),
    );
  }

  #riskTerms(): RiskTerms {
    const { risk, venue, riskSettings, shardIndex, shardIndexes, homeOf, opened } = this.#parts;
    return {
      risk,
      venue,
      settings: riskSettings,
      escrow: {
        shardIndex,
        epoch: opened.epoch,
        shardIndexes,
        homeOf,
        bankBoot: randomId(),
        isReconciling: opened.loaded.isReconciling,
        policy: DEFAULT_ESCROW_POLICY,
        replicatedCommitSeq: () => this.#progress.replicatedCommitSeq,
      },
    };
  }

  #makeWriter(): Writer {
    const { store, hashKey, clock, logger, settings, onFailed } = this.#parts;
    return new Writer({
      state: this.#state,
      store,
      hashKey,
      admission: this.#admission,
      clock,
      logger,
      metrics: this.#metrics,
      limits: {
        batchOrdersMax: settings.batchOrdersMax,
        intakeQueueMax: settings.intakeQueueMax,
        intakeWaitMaxMs: settings.intakeWaitMax,
        openOrdersMax: settings.openOrdersMax,
        grantWaitersMax: settings.grantWaitersMax,
      },
      onCommitted: (committed) => this.#onCommitted(committed),
      onBankMessages: (messages) => this.#peers.send(messages),
      onDrained: () => this.#drained.resolve(),
      onFailed,
    });
  }

  #onCommitted(committed: Committed): void {
    const { store, onRelayNotice } = this.#parts;
    this.#own.committed(committed);
    this.#progress.committed(committed.commitSeq, committed.at, store.valueBytes);
    this.#admission.setBacklog(this.#progress.lagRecords, this.#progress.lagBytes);
    onRelayNotice();
  }

  #watch(): void {
    const { registry, clock } = this.#parts;
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
      waitingForBanks: () => this.#writer.waitingForBanks,
    });
    this.#metrics.escrow.watch(this.#state.risk, () => clock.now());
  }

  /** Each time that another shard can be heard, it is told all that it has not answered. */
  #connectPeers(): Peers {
    const { shard, clusterSecret, otherShards: others, homeOf, logger } = this.#parts;
    return new Peers({
      shard,
      clusterSecret,
      others,
      homeOf,
      logger,
      onServing: (shardIndex) => this.#peers.send(this.#own.unansweredBy(shardIndex)),
    });
  }

  #onBankMessage(message: BankMessage): void {
    const deadlineAt = Number.MAX_SAFE_INTEGER;
    this.#writer.submit(NOBODY, 0, deadlineAt, { kind: "bank", message });
  }

  get port(): number {
    return this.#server.port;
  }

  #serve(): ShardServer {
    const { listen, clusterSecret, logger, registry, shard, shardIndex, opened, clock } =
      this.#parts;
    const operations = new Operations({
      ...this.#parts,
      state: this.#state,
      writer: this.#writer,
      admission: this.#admission,
      openOrdersMax: this.#parts.settings.openOrdersMax,
      status: () => this.status(),
    });
    return startShardServer({
      ...listen,
      clusterSecret,
      logger,
      welcome: { shard, shardIndex, epoch: opened.epoch, centralId: opened.centralId },
      onOperation: (connection, entry) => operations.take(connection, entry),
      onBankMessage: (message) => this.#onBankMessage(message),
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
      reason: this.#writer.reason ?? this.#admission.problem()?.detail ?? this.#unsettled,
      epoch: this.#state.epoch,
      partitionCount: this.#state.partitionCount,
      generation: this.#state.generation,
      sqliteVersion: this.#parts.opened.sqliteVersion,
      commitSeq: this.#state.commitSeq,
      openOrders: this.#state.openCount,
      queue: this.#writer.waiting,
      waitingForBanks: this.#writer.waitingForBanks,
      ordersAccepted: accepted,
      ordersRefused: refused,
      batches,
      executionsQuarantined: this.#metrics.quarantined,
      risk: this.#metrics.escrow.describe(this.#state, clock.now()),
      ...this.#sizes,
      relay: {
        ...this.#relay,
        backlogRecords: this.#progress.backlogRecords,
        lagMs: this.#progress.backlogMs(clock.now()),
      },
      central: { lagRecords, lagMs, stoppedPartitions: [...this.#progress.stoppedPartitions] },
    };
  }

  /** Why it takes only what reduces; null when it takes all. */
  get #unsettled(): string | null {
    return this.#state.risk.terms.escrow.isReconciling ? RESTORED_ALONE : null;
  }

  async drain(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#server.sayDraining();
    this.#writer.drain();
    await this.#drained.promise;
    this.#peers.stop();
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

const RESTORED_ALONE =
  "restored without the other shards' files: orders that only reduce, and cancels, are taken, nothing " +
  "else, until `sluice restore` is repeated with all shards stopped";

const NOBODY = { answer: (): void => {} };
