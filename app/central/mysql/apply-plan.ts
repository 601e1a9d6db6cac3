/**
 * What one transaction writes, decided in memory: every push against the state that was read under
 * the locks, one row an order. Pure, so that all is known before anything is sent.
 */
import { invariant } from "../../../shards/process/failure.ts";
import type { Cursor } from "../../../shards/protocol/hello.ts";
import type { CommittedRecord } from "../../../shards/protocol/record.ts";
import type { Stopped } from "../../../shards/protocol/relay.ts";
import { type AppliedRecord, emptyCursor, planPush } from "../chain.ts";
import { type EntityRow, isNewerRow } from "../entity-row.ts";
import { isEntity } from "../order-row.ts";
import type { PositionMove, Push, PushResult, TopicPosition } from "../store.ts";
import { ContentRefusal } from "./mysql-failure.ts";
import { type MysqlOrderRow, toMysqlRow } from "./mysql-row.ts";
import type { OutcomeRow, PutAside, StreamEnd, StreamEpoch } from "./mysql-statements.ts";

/** What was read under the locks. */
export interface ApplyState {
  readonly cursors: readonly StreamEnd[];
  readonly epochs: readonly { readonly shard: string; readonly epoch: number }[];
  readonly stops: readonly (Stopped & StreamEpoch)[];
}

export interface ApplyPlan {
  readonly results: readonly PushResult[];
  /** Orders whose acceptance is among the records, with their newest values. */
  readonly accepted: ReadonlyMap<number, MysqlOrderRow>;
  /** Orders of which only changes are. */
  readonly changed: ReadonlyMap<number, MysqlOrderRow>;
  readonly outcomes: readonly OutcomeRow[];
  /** One a key, the newest of these records. */
  readonly entities: readonly EntityRow[];
  readonly cursors: readonly StreamEnd[];
  /** Streams whose stop is to be deleted, before `stops` are written. */
  readonly cleared: readonly StreamEpoch[];
  readonly stops: readonly (Stopped & StreamEpoch)[];
  /** Records that stopped their stream. */
  readonly aside: readonly PutAside[];
}

/** Where the moves lead from what was read under the locks; without those that stay. */
export const planPositions = (
  stored: readonly TopicPosition[],
  moves: readonly PositionMove[],
): readonly TopicPosition[] => {
  const before = new Map(stored.map(({ partition, nextOffset }) => [partition, nextOffset]));
  const moved = new Map<number, string>();
  for (const { partition, from, nextOffset } of moves) {
    const position = moved.get(partition) ?? before.get(partition);
    if (position === from) moved.set(partition, nextOffset);
  }
  return [...moved].map(([partition, nextOffset]) => ({ partition, nextOffset }));
};

export const headOf = (push: Push): CommittedRecord => {
  const first = push[0];
  invariant(first !== undefined, "a push has at least one record");
  return first;
};

export const streamKey = (shard: string, partition: number): string => `${partition} ${shard}`;
const stopKey = ({ shard, epoch, partition }: StreamEpoch): string =>
  `${epoch} ${partition} ${shard}`;

/** Throws {@link ContentRefusal} when a push has an order that can't be stored. */
export const planApply = (state: ApplyState, pushes: readonly Push[]): ApplyPlan => {
  const planner = new Planner(state);
  const results = pushes.map((push) => planner.take(push));
  return { ...planner.plan(), results };
};

class Planner {
  readonly #grantedEpochs: ReadonlyMap<string, number>;
  readonly #known: ReadonlyMap<string, Stopped & StreamEpoch>;
  readonly #cursors: Map<string, StreamEnd>;
  readonly #moved = new Set<string>();
  readonly #stops: Map<string, Stopped & StreamEpoch>;
  readonly #accepted = new Map<number, MysqlOrderRow>();
  readonly #changed = new Map<number, MysqlOrderRow>();
  readonly #outcomes: OutcomeRow[] = [];
  readonly #entities = new Map<string, EntityRow>();
  readonly #aside: PutAside[] = [];

  constructor({ cursors, epochs, stops }: ApplyState) {
    this.#grantedEpochs = new Map(epochs.map(({ shard, epoch }) => [shard, epoch]));
    this.#cursors = new Map(cursors.map((end) => [streamKey(end.shard, end.partition), end]));
    this.#known = new Map(stops.map((stop) => [stopKey(stop), stop]));
    this.#stops = new Map(this.#known);
  }

  take(push: Push): PushResult {
    const { shard, epoch, partition } = headOf(push);
    const stream = streamKey(shard, partition);
    const stop = stopKey({ shard, epoch, partition });
    const before: Cursor = this.#cursors.get(stream) ?? emptyCursor(partition);
    const plan = planPush(
      {
        cursor: { partition, epoch: before.epoch, seq: before.seq, hash: before.hash },
        grantedEpoch: this.#grantedEpochs.get(shard) ?? 0,
        stopped: stoppedOf(this.#stops.get(stop)),
      },
      push,
    );
    for (const applied of plan.apply) this.#write(applied);
    if (plan.apply.length > 0) {
      this.#cursors.set(stream, { shard, ...plan.cursor });
      this.#moved.add(stream);
    }
    const { stopped, stoppedBy, duplicates, skipped, cursor } = plan;
    if (stopped === null) this.#stops.delete(stop);
    else if (stoppedBy !== null) this.#stops.set(stop, { shard, epoch, ...stopped });
    if (stopped !== null && stoppedBy !== null) this.#aside.push(asideOf(stoppedBy, stopped));
    const applied = plan.apply.length;
    return { cursor, applied, duplicates, skipped, stopped, isNewStop: stoppedBy !== null };
  }

  #write({ record, content }: AppliedRecord): void {
    if (isEntity(content)) {
      this.#keep(content.entity);
      return;
    }
    switch (content.type) {
      case "order_accepted":
        this.#accept(toMysqlRow(content.row));
        break;
      case "order_changed":
        this.#change(toMysqlRow(content.row));
        break;
      case "order_refused": {
        const { shard, epoch, commitSeq, at, value } = record;
        this.#outcomes.push({ shard, epoch, commitSeq, at, value });
        break;
      }
      case "epoch_started":
        break;
    }
  }

  #accept(row: MysqlOrderRow): void {
    if (this.#accepted.has(row.orderId)) throw takenId(row);
    const change = this.#changed.get(row.orderId);
    this.#changed.delete(row.orderId);
    this.#accepted.set(row.orderId, change === undefined ? row : joined(row, change));
  }

  #change(row: MysqlOrderRow): void {
    const accepted = this.#accepted.get(row.orderId);
    if (accepted !== undefined) {
      this.#accepted.set(row.orderId, joined(accepted, row));
      return;
    }
    const other = this.#changed.get(row.orderId);
    if (other === undefined || row.version > other.version) this.#changed.set(row.orderId, row);
  }

  #keep(row: EntityRow): void {
    const key = `${row.shard} ${row.type} ${row.entityKey}`;
    const other = this.#entities.get(key);
    if (other === undefined || isNewerRow(row, other)) this.#entities.set(key, row);
  }

  plan(): Omit<ApplyPlan, "results"> {
    const known = [...this.#known];
    const stops = [...this.#stops];
    return {
      accepted: this.#accepted,
      changed: this.#changed,
      outcomes: this.#outcomes,
      entities: [...this.#entities.values()],
      cursors: [...this.#moved].map((stream) => this.#cursors.get(stream) as StreamEnd),
      cleared: known.filter(([key, stop]) => this.#stops.get(key) !== stop).map(([, stop]) => stop),
      stops: stops.filter(([key, stop]) => this.#known.get(key) !== stop).map(([, stop]) => stop),
      aside: this.#aside,
    };
  }
}

const stoppedOf = (stop: Stopped | undefined): Stopped | null =>
  stop === undefined ? null : { partition: stop.partition, code: stop.code, detail: stop.detail };

export const takenId = ({ orderId }: MysqlOrderRow): ContentRefusal =>
  new ContentRefusal(`another order has the id ${orderId}`);

/** Whether both are the same order: its receipt is where it was accepted. */
export const isSameOrder = (
  a: MysqlOrderRow,
  b: Pick<
    MysqlOrderRow,
    "orderId" | "accountId" | "clientOrderId" | "shard" | "epoch" | "commitSeq"
  >,
): boolean =>
  a.orderId === b.orderId &&
  a.accountId === b.accountId &&
  a.clientOrderId === b.clientOrderId &&
  a.shard === b.shard &&
  a.epoch === b.epoch &&
  a.commitSeq === b.commitSeq;

/** The newer values of one order with its acceptance. */
const joined = (accepted: MysqlOrderRow, change: MysqlOrderRow): MysqlOrderRow => {
  if (!isSameOrder(accepted, change)) throw takenId(accepted);
  if (change.version <= accepted.version) return accepted;
  if (
    change.priceScale !== accepted.priceScale ||
    change.quantityScale !== accepted.quantityScale
  ) {
    throw new ContentRefusal(`order ${change.orderId} changed its decimals`);
  }
  const { acceptedPrice, acceptedQuantity, acceptedStatus } = accepted;
  return { ...change, acceptedPrice, acceptedQuantity, acceptedStatus };
};

/** A record's place is its shard, epoch and seq; the offset in the topic is not known here. */
export const asideOf = (record: CommittedRecord, stopped: Stopped): PutAside => {
  const { shard, epoch, partition, seq, key, value, ...headers } = record;
  const { code, detail } = stopped;
  const said = JSON.stringify(headers);
  return { partition, offset: null, shard, epoch, seq, code, detail, key, headers: said, value };
};
