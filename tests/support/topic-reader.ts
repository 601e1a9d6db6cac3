/**
 * A reader of the topic, written as docs/TOPIC.md tells those who read it, from that page alone: no
 * code of the product. Pure: whoever has a partition's messages hands them over in their order.
 */
import { createHash } from "node:crypto";

/** A message as a Kafka client gives it. */
export interface RawMessage {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: Readonly<Record<string, unknown>> | undefined;
}

/** An order's record, in the order in which it may be acted upon. */
export interface Handled {
  readonly type: string;
  readonly shard: string;
  readonly epoch: number;
  readonly commitSeq: number;
  readonly generation: number;
  readonly symbol: string;
  readonly value: string;
}

interface Read extends Handled {
  readonly seq: number;
  readonly prevHash: string;
  readonly hash: string;
}

/** Of one (shard, partition). */
interface Stream {
  epoch: number;
  seq: number;
  hash: string;
  /** Came too early: something before them is missing. */
  readonly early: Read[];
}

/** Of one shard. */
interface Progress {
  /** The newest (epoch, generation) that is open: what is of a later one waits. */
  epoch: number;
  generation: number;
  /** By epoch: up to where its records are handled without a gap, and which are beyond. */
  readonly handled: Map<number, { upTo: number; readonly beyond: Set<number> }>;
  waiting: Read[];
}

const NO_HASH = "0".repeat(64);
const KNOWN_TYPES = ["order_accepted", "order_changed", "order_refused"];

export class TopicReader {
  readonly handled: Handled[] = [];
  /** Records that came before one that they follow; a sentence each. */
  readonly gaps: string[] = [];
  readonly #streams = new Map<string, Stream>();
  readonly #progress = new Map<string, Progress>();

  take(partition: number, message: RawMessage): void {
    const record = readMessage(message);
    const stream = this.#streamOf(`${record.shard}/${partition}`);
    if (isKnown(stream, record)) return;
    if (!continues(stream, record)) {
      this.gaps.push(`${record.shard}, ${partition}: ${record.seq} came after ${stream.seq}`);
      stream.early.push(record);
      return;
    }
    for (let next: Read | undefined = record; next !== undefined; ) {
      this.#accept(stream, next);
      next = stream.early.find((one) => continues(stream, one));
    }
  }

  /** How many records wait for others: nothing is missing when there are none. */
  get waiting(): number {
    const waiting = [...this.#progress.values()].map((one) => one.waiting.length);
    const early = [...this.#streams.values()].map(
      (stream) => stream.early.filter((record) => !isKnown(stream, record)).length,
    );
    return [...waiting, ...early].reduce((sum, count) => sum + count, 0);
  }

  #accept(stream: Stream, record: Read): void {
    Object.assign(stream, { epoch: record.epoch, seq: record.seq, hash: record.hash });
    const progress = this.#progressOf(record.shard);
    if (record.type === "epoch_started" || isOpen(progress, record)) this.#handle(progress, record);
    else progress.waiting.push(record);
    for (;;) {
      // All that is of a smaller commitSeq has been handled: its generation is open from here on.
      const first = progress.waiting.find(
        ({ epoch, commitSeq }) => commitSeq === handledOf(progress, epoch).upTo + 1,
      );
      if (first === undefined) return;
      progress.epoch = first.epoch;
      progress.generation = first.generation;
      const waiting = progress.waiting;
      progress.waiting = waiting.filter((one) => !isOpen(progress, one));
      for (const one of waiting) if (isOpen(progress, one)) this.#handle(progress, one);
    }
  }

  #handle(progress: Progress, record: Read): void {
    const handled = handledOf(progress, record.epoch);
    handled.beyond.add(record.commitSeq);
    while (handled.beyond.delete(handled.upTo + 1)) handled.upTo++;
    if (!KNOWN_TYPES.includes(record.type)) return;
    const { type, shard, epoch, commitSeq, generation, symbol, value } = record;
    this.handled.push({ type, shard, epoch, commitSeq, generation, symbol, value });
  }

  #streamOf(name: string): Stream {
    const known = this.#streams.get(name);
    if (known !== undefined) return known;
    const stream = { epoch: 0, seq: 0, hash: NO_HASH, early: [] };
    this.#streams.set(name, stream);
    return stream;
  }

  #progressOf(shard: string): Progress {
    const known = this.#progress.get(shard);
    if (known !== undefined) return known;
    const progress = { epoch: 0, generation: 0, handled: new Map(), waiting: [] };
    this.#progress.set(shard, progress);
    return progress;
  }
}

/** A duplicate, or void because the shard has begun a newer epoch. */
const isKnown = (stream: Stream, { epoch, seq }: Read): boolean =>
  epoch < stream.epoch || (epoch === stream.epoch && seq <= stream.seq);

const continues = (stream: Stream, record: Read): boolean => {
  const { type, epoch, seq, prevHash, hash, value } = record;
  const isNext =
    epoch === stream.epoch ? seq === stream.seq + 1 : seq === 1 && type === "epoch_started";
  const own = createHash("sha256").update(prevHash).update(value).digest("hex");
  return isNext && epoch >= stream.epoch && prevHash === stream.hash && hash === own;
};

const isOpen = (progress: Progress, { epoch, generation }: Read): boolean =>
  epoch < progress.epoch || (epoch === progress.epoch && generation <= progress.generation);

const handledOf = (progress: Progress, epoch: number) => {
  const known = progress.handled.get(epoch);
  if (known !== undefined) return known;
  const handled = { upTo: 0, beyond: new Set<number>() };
  progress.handled.set(epoch, handled);
  return handled;
};

const readMessage = ({ key, value, headers = {} }: RawMessage): Read => {
  const text = (name: string): string => String(headers[name]);
  if (text("version") !== "1") throw new Error(`a record of version ${text("version")}`);
  return {
    type: text("type"),
    shard: text("shard"),
    epoch: Number(text("epoch")),
    seq: Number(text("seq")),
    commitSeq: Number(text("commitSeq")),
    prevHash: text("prevHash"),
    hash: text("hash"),
    generation: Number(text("generation")),
    symbol: key?.toString() ?? "",
    value: value?.toString() ?? "",
  };
};
