/**
 * The topic of committed records: what other systems read, described in docs/TOPIC.md. Here alone
 * stand its header names and their texts. Headers are text, so that any tool can show them; the
 * value is the record's own, byte for byte, because the hash covers it.
 *
 * A version says how the headers that are named here are read. A consumer passes over headers that
 * it doesn't know, so that one may be added without a new version.
 */
import { isUtf8 } from "node:buffer";
import { FrameError } from "./frame.ts";
import { type CommittedRecord, RECORD_TYPES, type RecordType } from "./record.ts";

export const TOPIC_VERSION = "1";

export const TOPIC_HEADERS = [
  "type",
  "version",
  "eventId",
  "shard",
  "epoch",
  "seq",
  "commitSeq",
  "prevHash",
  "hash",
  "generation",
  "at",
] as const;
export type TopicHeader = (typeof TOPIC_HEADERS)[number];

/** A record as it is given to a producer; its partition goes beside it. */
export interface TopicMessage {
  /** null for a record without a key ({@link mayLackKey}). */
  readonly key: string | null;
  readonly value: string;
  readonly headers: Readonly<Record<TopicHeader, string>>;
}

type HeaderValue = Uint8Array | string | undefined;

/** A record as a consumer gets it: nothing of it is sure. */
export interface RawTopicMessage {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers?: Readonly<Record<string, HeaderValue | HeaderValue[]>> | undefined;
}

export interface TopicRecord extends CommittedRecord {
  /** Of the partition count that the shard used; grows when partitions are added. */
  readonly generation: number;
}

/** The same for every copy of a record; another for every other record. */
export const eventIdOf = (record: {
  readonly shard: string;
  readonly epoch: number;
  readonly commitSeq: number;
}): string => `${record.shard}-${record.epoch}-${record.commitSeq}`;

export const encodeTopicRecord = (record: CommittedRecord, generation: number): TopicMessage => ({
  key: record.key === "" ? null : record.key,
  value: record.value,
  headers: {
    type: record.type,
    version: TOPIC_VERSION,
    eventId: eventIdOf(record),
    shard: record.shard,
    epoch: String(record.epoch),
    seq: String(record.seq),
    commitSeq: String(record.commitSeq),
    prevHash: record.prevHash,
    hash: record.hash,
    generation: String(generation),
    at: String(record.at),
  },
});

/** Throws {@link FrameError} on what no version of ours has sent. */
export const decodeTopicRecord = (message: RawTopicMessage, partition: number): TopicRecord => {
  const headers = message.headers ?? {};
  const version = textOf(headers, "version");
  if (version !== TOPIC_VERSION) {
    throw new FrameError(`version is ${shown(version)}; this process reads ${TOPIC_VERSION}`);
  }
  const record: TopicRecord = {
    type: typeOf(headers),
    shard: shardOf(headers),
    epoch: numberOf(headers, "epoch", 1),
    partition,
    seq: numberOf(headers, "seq", 1),
    commitSeq: numberOf(headers, "commitSeq", 1),
    at: numberOf(headers, "at", 0),
    key: message.key === null ? "" : utf8(message.key, "key"),
    value: valueTextOf(message.value),
    prevHash: hashOf(headers, "prevHash"),
    hash: hashOf(headers, "hash"),
    generation: numberOf(headers, "generation", 1),
  };
  const eventId = textOf(headers, "eventId");
  if (eventId !== eventIdOf(record)) {
    throw new FrameError(`eventId is ${shown(eventId)}, the record is ${eventIdOf(record)}`);
  }
  if (record.key === "" ? !mayLackKey(record.type) : record.type === "epoch_started") {
    throw new FrameError(`a record ${record.type} with the key ${shown(record.key)}`);
  }
  return record;
};

/** One belongs to a partition; nobody knows the symbol of the other. */
const mayLackKey = (type: RecordType): boolean =>
  type === "epoch_started" || type === "execution_quarantined";

type Headers = NonNullable<RawTopicMessage["headers"]>;

const textOf = (headers: Headers, name: TopicHeader): string => {
  const value = headers[name];
  if (value === undefined) throw new FrameError(`header ${name} is missing`);
  if (typeof value === "string") return value;
  if (Array.isArray(value)) throw new FrameError(`header ${name} is there ${value.length} times`);
  return utf8(value, `header ${name}`);
};

const typeOf = (headers: Headers): RecordType => {
  const text = textOf(headers, "type");
  const type = RECORD_TYPES.find((known) => known === text);
  if (type === undefined) throw new FrameError(`type is ${shown(text)}: unknown`);
  return type;
};

const shardOf = (headers: Headers): string => {
  const shard = textOf(headers, "shard");
  if (!SHARD.test(shard)) throw new FrameError(`shard is ${shown(shard)}: no name of a shard`);
  return shard;
};

const numberOf = (headers: Headers, name: TopicHeader, min: number): number => {
  const text = textOf(headers, name);
  const number = Number(text);
  if (!WHOLE.test(text) || !Number.isSafeInteger(number) || number < min) {
    throw new FrameError(`${name} is ${shown(text)}: no whole number from ${min} to 2^53 - 1`);
  }
  return number;
};

const hashOf = (headers: Headers, name: TopicHeader): string => {
  const text = textOf(headers, name);
  if (!HASH.test(text)) throw new FrameError(`${name} is ${shown(text)}: not 64 hex digits`);
  return text;
};

const valueTextOf = (value: Uint8Array | null): string => {
  if (value === null) throw new FrameError("the value is missing");
  return utf8(value, "value");
};

const utf8 = (bytes: Uint8Array, what: string): string => {
  if (!isUtf8(bytes)) throw new FrameError(`${what} is not UTF-8`);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
};

const SHARD = /^shard[1-9][0-9]{0,3}$/;
const WHOLE = /^(0|[1-9][0-9]{0,15})$/;
const HASH = /^[0-9a-f]{64}$/;

const shown = (text: string): string => JSON.stringify(text.slice(0, 80));
