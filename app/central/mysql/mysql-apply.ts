/**
 * One `apply` is one transaction on one connection:
 *
 *   1. lock the positions of the topic's partitions, then the streams' cursors, both in order, then
 *      (shared) the shards' epochs, and read the stops: one packet
 *   2. decide every push in memory (apply-plan.ts)
 *   3. write orders, outcomes, entities, cursors, stops, what is put aside and positions; COMMIT: one packet
 *
 * What is read is read under the locks, so two appliers with the same records come one after the
 * other and the second finds duplicates; so does the repeat after a COMMIT whose answer was lost. If
 * the server refuses content, each push gets a transaction of its own and the one that can't be
 * stored stops its stream; positions move when all are done. A position that is not where its reader
 * knew it stays (planPositions).
 */
import type { Clock } from "../../../shards/process/clock.ts";
import { OperatingError, reasonOf } from "../../../shards/process/failure.ts";
import { ZERO_HASH } from "../../../shards/protocol/record.ts";
import type { Stopped } from "../../../shards/protocol/relay.ts";
import { emptyCursor } from "../chain.ts";
import type { Intake, PositionMove, Push, PushResult, TopicPosition } from "../store.ts";
import {
  type ApplyPlan,
  type ApplyState,
  asideOf,
  headOf,
  isSameOrder,
  planApply,
  planPositions,
  streamKey,
  takenId,
} from "./apply-plan.ts";
import type { MysqlConnection, MysqlPool } from "./mysql-connection.ts";
import { ER, isContentRefusal, isErrno } from "./mysql-failure.ts";
import type { MysqlOrderRow } from "./mysql-row.ts";
import type { PutAside, Stream } from "./mysql-statements.ts";
import * as statements from "./mysql-statements.ts";

/** What goes with the pushes into their transaction. */
interface Rest {
  readonly moves: readonly PositionMove[];
  readonly quarantined: readonly PutAside[];
}
const NOTHING: Rest = { moves: [], quarantined: [] };
/** What of it is written. */
interface Written {
  readonly positions: readonly TopicPosition[];
  readonly quarantined: readonly PutAside[];
}
/** What was read under the locks, and so stays until the end. */
interface Locked {
  readonly state: ApplyState;
  readonly positions: readonly TopicPosition[];
}

const BEGIN = "START TRANSACTION";
const COMMIT = "COMMIT";

export class MysqlApply {
  readonly #pool: MysqlPool;
  readonly #clock: Clock;
  /** Characters in one packet. */
  readonly #packetMax: number;
  /** Streams and partitions whose rows are known to be there, to be locked. */
  readonly #streams = new Set<string>();
  readonly #partitions = new Set<number>();

  constructor(pool: MysqlPool, clock: Clock, packetMax: number) {
    this.#pool = pool;
    this.#clock = clock;
    this.#packetMax = packetMax;
  }

  async apply(intake: Intake): Promise<readonly PushResult[]> {
    const moves = intake.positions;
    const pushes = intake.pushes.filter(isNameable);
    await this.#ensureRows(pushes, partitionsOf(moves));
    const stored = await this.#applyAll(pushes, {
      moves,
      quarantined: [
        ...intake.quarantined,
        ...intake.pushes.filter((p) => !isNameable(p)).map(strange),
      ],
    });
    let next = 0;
    return intake.pushes.map((push) =>
      isNameable(push) ? (stored[next++] as PushResult) : refusedUnnamed(push),
    );
  }

  async #applyAll(pushes: readonly Push[], rest: Rest): Promise<readonly PushResult[]> {
    try {
      return await this.#transaction(pushes, rest);
    } catch (error) {
      if (!isContentRefusal(error)) throw error;
      if (pushes.length === 0) throw error;
    }
    const results: PushResult[] = [];
    for (const push of pushes) results.push(await this.#applyAlone(push));
    await this.#transaction([], rest);
    return results;
  }

  async #applyAlone(push: Push): Promise<PushResult> {
    try {
      const [result] = await this.#transaction([push], NOTHING);
      return result as PushResult;
    } catch (error) {
      if (!isContentRefusal(error)) throw error;
      return this.#refuse(push, reasonOf(error));
    }
  }

  async #transaction(pushes: readonly Push[], rest: Rest): Promise<readonly PushResult[]> {
    if (pushes.length === 0 && rest.moves.length === 0 && rest.quarantined.length === 0) {
      return [];
    }
    return this.#pool.use(
      "apply records",
      async (connection) => {
        const { moves, quarantined } = rest;
        const { state, positions } = await this.#lock(connection, pushes, partitionsOf(moves));
        const plan = planApply(state, pushes);
        await this.#write(connection, plan, {
          positions: planPositions(positions, moves),
          quarantined,
        });
        return plan.results;
      },
      isContentRefusal,
    );
  }

  /** Outside of the transactions, once for each row: what is missing can't be locked. */
  async #ensureRows(pushes: readonly Push[], all: readonly number[]): Promise<void> {
    const streams = streamsOf(pushes).filter(
      ({ shard, partition }) => !this.#streams.has(streamKey(shard, partition)),
    );
    const partitions = all.filter((partition) => !this.#partitions.has(partition));
    if (streams.length + partitions.length === 0) return;
    // A statement and commit for each, so that nobody holds one row and waits for another.
    const made = [
      ...partitions.map(statements.ensurePosition),
      ...streams.map((stream) => statements.ensureStream(stream, ZERO_HASH)),
    ];
    await this.#pool.use("prepare cursors", (connection) => connection.query(made.join(";")));
    for (const { shard, partition } of streams) this.#streams.add(streamKey(shard, partition));
    for (const partition of partitions) this.#partitions.add(partition);
  }

  async #lock(
    connection: MysqlConnection,
    pushes: readonly Push[],
    partitions: readonly number[],
  ): Promise<Locked> {
    const streams = streamsOf(pushes);
    const asked = [BEGIN];
    if (partitions.length > 0) asked.push(statements.lockPositions(partitions));
    if (streams.length > 0) {
      asked.push(
        statements.lockStreams(streams),
        statements.lockEpochs([...new Set(streams.map(({ shard }) => shard))].sort()),
        statements.readStops(pushes.map(headOf)),
      );
    }
    const answer = await connection.query(asked.join(";"));
    const answers = asked.length === 1 ? [] : (answer as unknown[][]).slice(1);
    const positions = (partitions.length > 0 ? (answers.shift() ?? []) : []) as TopicPosition[];
    const [cursors = [], epochs = [], stops = []] = answers;
    if (positions.length < partitions.length || cursors.length < streams.length) {
      this.#streams.clear();
      this.#partitions.clear();
      throw new OperatingError("central_store_failed", "rows of central to be locked are gone", {
        retryable: true,
      });
    }
    return { state: { cursors, epochs, stops } as ApplyState, positions };
  }

  async #write(connection: MysqlConnection, plan: ApplyPlan, rest: Written): Promise<void> {
    const accepted = [...plan.accepted.values()];
    const others = [...this.#statementsOf(plan, rest), COMMIT];
    try {
      await this.#send(connection, [...inRows(accepted, statements.insertOrders), ...others]);
    } catch (error) {
      if (!isErrno(error, ER.duplicateEntry) || accepted.length === 0) throw error;
      const { fresh, late } = await this.#sortOut(connection, accepted);
      await this.#send(connection, [
        ...inRows(fresh, statements.insertOrders),
        ...inRows(late, statements.completeOrders),
        ...others,
      ]);
    }
  }

  /**
   * An id is there already. It is the same order's when a change of it came first, as it may by
   * another partition after their number was raised; another order's must not be lost in silence.
   */
  async #sortOut(connection: MysqlConnection, accepted: readonly MysqlOrderRow[]) {
    // Chunks before the one that failed may have been written: they are as good as late.
    const rows = await connection.rows<MysqlOrderRow>(
      statements.lockOrders(accepted.map(({ orderId }) => orderId)),
    );
    const there = new Map(rows.map((row) => [row.orderId, row]));
    for (const row of accepted) {
      const other = there.get(row.orderId);
      if (other !== undefined && !isSameOrder(row, other)) throw takenId(row);
    }
    return {
      fresh: accepted.filter(({ orderId }) => !there.has(orderId)),
      late: accepted.filter(({ orderId }) => there.has(orderId)),
    };
  }

  #statementsOf(plan: ApplyPlan, { positions, quarantined }: Written): string[] {
    const now = this.#clock.now();
    const stops = plan.stops.map((stop) => ({ ...stop, stoppedAt: now }));
    const aside: PutAside[] = [...plan.aside, ...quarantined];
    return [
      ...inRows([...plan.changed.values()], statements.upsertOrders),
      ...inRows(plan.outcomes, statements.insertOutcomes),
      ...inRows(plan.entities, statements.upsertEntities),
      ...inRows(plan.cursors, statements.writeCursors),
      ...inRows(plan.cleared, statements.deleteStops),
      ...inRows(stops, statements.insertStops),
      ...inRows(aside, (rows) => statements.putAside(rows, now), 1),
      ...inRows(positions, statements.writePositions),
    ];
  }

  async #send(connection: MysqlConnection, list: readonly string[]): Promise<void> {
    let packet: string[] = [];
    let length = 0;
    for (const statement of list) {
      if (length > 0 && length + statement.length > this.#packetMax) {
        await connection.query(packet.join(";"));
        packet = [];
        length = 0;
      }
      packet.push(statement);
      length += statement.length;
    }
    await connection.query(packet.join(";"));
  }

  async #refuse(push: Push, reason: string): Promise<PushResult> {
    const head = headOf(push);
    const { shard, epoch, partition } = head;
    const detail = `among ${push.length} records from ${head.seq}: ${reason}`.slice(0, DETAIL_MAX);
    const stopped: Stopped = { partition, code: "refused_by_store", detail };
    return this.#pool.use("stop stream", async (connection) => {
      const { cursors, stops } = (await this.#lock(connection, [push], [])).state;
      const isNewStop = stops[0]?.code !== stopped.code;
      const stop = { shard, epoch, ...stopped };
      const plan: ApplyPlan = {
        ...planApply({ cursors: [], epochs: [], stops: [] }, []),
        cleared: isNewStop ? stops : [],
        stops: isNewStop ? [stop] : [],
        aside: isNewStop ? [asideOf(head, stopped)] : [],
      };
      await this.#write(connection, plan, { positions: [], quarantined: [] });
      const { epoch: atEpoch, seq, hash } = cursors[0] ?? emptyCursor(partition);
      const cursor = { partition, epoch: atEpoch, seq, hash };
      const skipped = push.length;
      return { cursor, applied: 0, duplicates: 0, skipped, stopped, isNewStop };
    });
  }
}

/** Characters of a detail: it is stored, sent and logged. */
const DETAIL_MAX = 500;

/** Rows of one statement. What holds whole values may be long: one row a statement. */
const ROWS_MAX = 1000;

const inRows = <Row>(
  rows: readonly Row[],
  statement: (rows: readonly Row[]) => string,
  rowsMax = ROWS_MAX,
): string[] => {
  const made: string[] = [];
  for (let from = 0; from < rows.length; from += rowsMax) {
    made.push(statement(rows.slice(from, from + rowsMax)));
  }
  return made;
};

/** In the order in which they are locked. */
const partitionsOf = (moves: readonly PositionMove[]): readonly number[] =>
  [...new Set(moves.map(({ partition }) => partition))].sort((a, b) => a - b);

const streamsOf = (pushes: readonly Push[]): readonly Stream[] => {
  const streams = new Map<string, Stream>();
  for (const push of pushes) {
    const { shard, partition } = headOf(push);
    streams.set(streamKey(shard, partition), { shard, partition });
  }
  return [...streams.values()];
};

/** Longer than any shard's name, and than the column. */
const SHARD_LENGTH_MAX = 64;

/** Whether its stream has a name that a cursor or a stop could be stored under. */
const isNameable = (push: Push): boolean => {
  const { shard, epoch, partition } = headOf(push);
  return shard.length <= SHARD_LENGTH_MAX && [epoch, partition].every(Number.isSafeInteger);
};

const unnamed = ({ shard, partition }: Stream): Stopped => ({
  partition,
  code: "refused_by_store",
  detail: `no shard is called ${shard}`.slice(0, DETAIL_MAX),
});

const strange = (push: Push): PutAside => asideOf(headOf(push), unnamed(headOf(push)));

const refusedUnnamed = (push: Push): PushResult => ({
  cursor: emptyCursor(headOf(push).partition),
  applied: 0,
  duplicates: 0,
  skipped: push.length,
  stopped: unnamed(headOf(push)),
  isNewStop: true,
});
