/** What a chunk of the journal says: its chains, and the orders, refusals and entities that follow from it. */
import { ENTITY_TYPES, type EntityType } from "../../shards/domain/entities.ts";
import { chainHash, type EpochStarted } from "../../shards/protocol/record.ts";
import type { StoredRecord } from "../../shards/store/shard-reader.ts";
import { entityKeyOf, readEntity } from "../central/entity-row.ts";
import { UnreadableRecord } from "../central/record-value.ts";
import type { Findings } from "./findings.ts";
import type { ShardOrder } from "./order-check.ts";

export interface ChainEnd {
  readonly seq: number;
  readonly hash: string;
}

/** Each partition's chain as far as it has been walked. */
export type Chains = Map<number, ChainEnd>;

/** An outcome from before a restore: central had it, and its chain is not in this file. */
export const isRestored = ({ commitSeq }: StoredRecord): boolean => commitSeq < 0;

/** Checks that the record follows the one before it in its partition, and goes on with it. */
export const followChain = (chains: Chains, record: StoredRecord, findings: Findings): void => {
  const { partition, seq, hash, value, commitSeq } = record;
  const where = `record ${commitSeq}`;
  const before = chains.get(partition) ?? firstBefore(record);
  chains.set(partition, { seq, hash });
  if (before === undefined) return;
  if (seq !== before.seq + 1) {
    const detail = `partition ${partition} has seq ${seq} behind ${before.seq}`;
    findings.add("record_missing", where, detail);
  } else if (chainHash(before.hash, value) !== hash) {
    const detail = `partition ${partition} seq ${seq}: ${value}`;
    findings.add("record_altered", where, detail);
  }
};

/** The first record of an epoch names the one before; of a pruned journal's first that is gone. */
const firstBefore = ({ type, seq, value }: StoredRecord): ChainEnd | undefined => {
  if (type !== "epoch_started" || seq !== 1) return undefined;
  try {
    return { seq: 0, hash: (JSON.parse(value) as EpochStarted).previousHash };
  } catch {
    return { seq: 0, hash: "" };
  }
};

/** Orders by id, with the latest that the chunk says of each; refusals by commitSeq. */
export interface ChunkContent {
  readonly orders: Map<number, ShardOrder>;
  readonly refusals: Map<number, StoredRecord>;
  /** Of each key the newest record. */
  readonly entities: Map<string, EntityRecord>;
}

/** A record of something that is kept by its key. */
export interface EntityRecord {
  readonly type: EntityType;
  readonly entityKey: string;
  readonly commitSeq: number;
  readonly value: string;
}

/** Reads those records that `has` names: those that central had at the cut. */
export const readContent = (
  records: readonly StoredRecord[],
  has: (record: StoredRecord) => boolean,
  findings: Findings,
): ChunkContent => {
  const content: ChunkContent = {
    orders: new Map(),
    refusals: new Map(),
    entities: new Map(),
  };
  for (const record of records) {
    if (!has(record) || record.type === "epoch_started") continue;
    if (record.type === "order_refused") {
      content.refusals.set(record.commitSeq, record);
      continue;
    }
    const order = readOrder(record);
    const entity = order === undefined ? readEntityRecord(record) : undefined;
    if (entity !== undefined) {
      content.entities.set(`${entity.type} ${entity.entityKey}`, entity);
      continue;
    }
    if (order === undefined) {
      findings.add("record_unreadable", `record ${record.commitSeq}`, record.value);
      continue;
    }
    const accepted = order.accepted ?? content.orders.get(order.orderId)?.accepted ?? null;
    content.orders.set(order.orderId, { ...order, accepted });
  }
  return content;
};

const readEntityRecord = ({ type, commitSeq, value }: StoredRecord): EntityRecord | undefined => {
  const entityType = ENTITY_TYPES.find((known) => known === type);
  if (entityType === undefined) return undefined;
  try {
    const entityKey = entityKeyOf(readEntity(entityType, value));
    return { type: entityType, entityKey, commitSeq, value };
  } catch (error) {
    if (error instanceof UnreadableRecord) return undefined;
    throw error;
  }
};

const ORDER_ID = /^\{"orderId":"(\d{1,16})"/;
const CHANGE_END = /,"version":(\d{1,16}),"reason":"[A-Z_]+"\}$/;

/** Without parsing: the texts are compared as they are. */
export const readOrder = ({
  type,
  value,
}: StoredRecord): (ShardOrder & { readonly orderId: number }) | undefined => {
  const id = ORDER_ID.exec(value);
  if (id === null) return undefined;
  const orderId = Number(id[1]);
  if (type === "order_accepted") return { orderId, accepted: value, version: 1, text: value };
  const end = type === "order_changed" ? CHANGE_END.exec(value) : null;
  if (end === null) return undefined;
  return {
    orderId,
    accepted: null,
    version: Number(end[1]),
    text: `${value.slice(0, end.index)}}`,
  };
};
