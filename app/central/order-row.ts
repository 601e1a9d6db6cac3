/**
 * What central reads out of a record's value, and the way back. A value counts as readable only if
 * the row rendered again is the very same text: so no field that this version doesn't know is
 * dropped in silence, and history gives exactly the shard's bytes. A shard that sends new fields
 * therefore needs an applier of its own version or later: upgrade central first.
 */
import { type OrderId, shardIndexOf } from "../../shards/domain/brands.ts";
import { ENTITY_TYPES, type EntityType } from "../../shards/domain/entities.ts";
import { CHANGE_REASONS, type ChangeReason } from "../../shards/domain/event.ts";
import type { OrderChild } from "../../shards/domain/order.ts";
import { type OrderBody, type RefusalBody, renderChild } from "../../shards/domain/order-body.ts";
import type { CommittedRecord, EpochStarted } from "../../shards/protocol/record.ts";
import { type EntityRow, entityRowOf } from "./entity-row.ts";
import { expectNumbers, parseObject, UnreadableRecord } from "./record-value.ts";
import type { orders } from "./schema.ts";

/** One row of `orders`; decimals are text as rendered, times milliseconds since 1970. */
export type OrderRow = typeof orders.$inferSelect;

/** What one record does to the store. */
export type RecordContent =
  | { readonly type: "order_accepted"; readonly row: OrderRow }
  | { readonly type: "order_changed"; readonly row: OrderRow }
  | { readonly type: "order_refused" }
  | { readonly type: "epoch_started"; readonly previous: EpochStarted }
  | { readonly type: EntityType; readonly entity: EntityRow };

/** Whether it is kept by its key, the newest value of each. */
export const isEntity = (
  content: RecordContent,
): content is Extract<RecordContent, { readonly type: EntityType }> =>
  ENTITY_TYPES.some((type) => type === content.type);

/** Throws {@link UnreadableRecord}. */
export const readRecord = (record: CommittedRecord): RecordContent => {
  expectNumbers(record.epoch, record.partition, record.seq, record.commitSeq, record.at);
  switch (record.type) {
    case "order_accepted":
      return { type: "order_accepted", row: readAccepted(record) };
    case "order_changed":
      return { type: "order_changed", row: readChanged(record) };
    case "order_refused":
      expectRefusal(record.value);
      return { type: "order_refused" };
    case "epoch_started":
      return { type: "epoch_started", previous: readEpochStarted(record.value) };
    default:
      return { type: record.type, entity: entityRowOf(record, record.type) };
  }
};

const readAccepted = (record: CommittedRecord): OrderRow => {
  const row = rowOf(parseObject(record.value) as OrderBody, 1);
  if (renderOrderRow(row) !== record.value) {
    throw new UnreadableRecord("the order is not rendered as this version renders it");
  }
  if (
    row.epoch !== record.epoch ||
    row.commitSeq !== record.commitSeq ||
    row.partition !== record.partition ||
    row.seq !== record.seq
  ) {
    throw new UnreadableRecord("the receipt names another place than the record's own");
  }
  expectOwnOrder(row, record);
  return row;
};

const readChanged = (record: CommittedRecord): OrderRow => {
  const body = parseObject(record.value) as OrderBody & { version: number; reason: ChangeReason };
  const row = rowOf(body, body.version);
  if (
    `${openOrderRow(row)},"version":${row.version},"reason":"${body.reason}"}` !== record.value ||
    !CHANGE_REASONS.includes(body.reason)
  ) {
    throw new UnreadableRecord("the change is not rendered as this version renders it");
  }
  expectOwnOrder(row, record);
  return row;
};

const expectOwnOrder = (row: OrderRow, record: CommittedRecord): void => {
  if (row.shard !== record.shard || row.shard !== `shard${shardIndexOf(row.orderId as OrderId)}`) {
    throw new UnreadableRecord(`order ${row.orderId} of ${row.shard} is not ${record.shard}'s own`);
  }
  if (row.symbol !== record.key) {
    throw new UnreadableRecord(`the key is ${record.key}, the order's symbol ${row.symbol}`);
  }
};

/** Wrong types show when the row is rendered again; only numbers have several texts in JSON. */
const rowOf = (body: OrderBody, version: number): OrderRow => {
  const { receipt } = body;
  if (typeof receipt !== "object" || receipt === null) {
    throw new UnreadableRecord("the order has no receipt");
  }
  const row: OrderRow = {
    orderId: Number(body.orderId),
    accountId: Number(body.accountId),
    clientOrderId: body.clientOrderId,
    symbol: body.symbol,
    side: body.side,
    type: body.type,
    timeInForce: body.timeInForce,
    goodTillDate: body.goodTillDate ?? null,
    price: body.price,
    quantity: body.quantity,
    executedQuantity: body.executedQuantity,
    averagePrice: body.averagePrice,
    status: body.status,
    reduceOnly: body.reduceOnly ? 1 : 0,
    positionSide: body.positionSide,
    selfTradePrevention: body.selfTradePrevention ?? "NONE",
    createdAt: body.createdAt,
    updatedAt: body.updatedAt,
    shard: receipt.shard,
    epoch: receipt.epoch,
    commitSeq: receipt.commitSeq,
    partition: receipt.partition,
    seq: receipt.seq,
    version,
    acceptedPrice: body.price,
    acceptedQuantity: body.quantity,
    acceptedStatus: body.status,
    stopPrice: body.stopPrice ?? null,
    workingType: body.workingType ?? null,
    closePosition: body.closePosition === true ? 1 : 0,
    parentOrderId: body.parentOrderId === undefined ? null : Number(body.parentOrderId),
    children: childrenOf(body),
    amendmentPrice: body.amendment?.price ?? null,
    amendmentQuantity: body.amendment?.quantity ?? null,
  };
  expectNumbers(row.orderId, row.accountId, row.goodTillDate ?? 0, row.createdAt, row.updatedAt);
  expectNumbers(row.parentOrderId ?? 0);
  expectNumbers(row.epoch, row.commitSeq, row.partition, row.seq, row.version);
  return row;
};

/** The text of the children, empty when there are none; only their known fields. */
const childrenOf = ({ children }: OrderBody): string => {
  if (!Array.isArray(children)) throw new UnreadableRecord("the order has no list of children");
  if (children.length === 0) return "";
  return `[${children.map((child) => renderChild(child as OrderChild)).join(",")}]`;
};

const quoted = (text: string | null): string => (text === null ? "null" : `"${text}"`);

/** Fields that only some orders have, in the order of the domain's `renderOrder`. */
const rareFields = (row: OrderRow): string => {
  let text = "";
  if (row.stopPrice !== null) text += `,"stopPrice":"${row.stopPrice}"`;
  if (row.workingType !== null) text += `,"workingType":"${row.workingType}"`;
  if (row.closePosition === 1) text += ',"closePosition":true';
  if (row.parentOrderId !== null) text += `,"parentOrderId":"${row.parentOrderId}"`;
  if (row.selfTradePrevention !== "NONE") {
    text += `,"selfTradePrevention":"${row.selfTradePrevention}"`;
  }
  if (row.amendmentPrice !== null) {
    text +=
      `,"amendment":{"price":"${row.amendmentPrice}",` +
      `"quantity":"${row.amendmentQuantity}","state":"PENDING"}`;
  }
  return text;
};

/** Everything but the closing brace, field by field as `renderOrder` of the domain has it. */
const openOrderRow = (row: OrderRow): string => {
  const goodTill = row.goodTillDate === null ? "" : `,"goodTillDate":${row.goodTillDate}`;
  return (
    `{"orderId":"${row.orderId}","clientOrderId":"${row.clientOrderId}",` +
    `"accountId":"${row.accountId}","symbol":"${row.symbol}","side":"${row.side}",` +
    `"type":"${row.type}","timeInForce":${quoted(row.timeInForce)}${goodTill},` +
    `"price":${quoted(row.price)},"quantity":"${row.quantity}",` +
    `"executedQuantity":"${row.executedQuantity}","averagePrice":${quoted(row.averagePrice)},` +
    `"status":"${row.status}","reduceOnly":${row.reduceOnly === 1},` +
    `"positionSide":"${row.positionSide}"${rareFields(row)},"children":${row.children || "[]"},` +
    `"createdAt":${row.createdAt},"updatedAt":${row.updatedAt},` +
    `"receipt":{"shard":"${row.shard}","epoch":${row.epoch},"commitSeq":${row.commitSeq},` +
    `"partition":${row.partition},"seq":${row.seq}}`
  );
};

/** The order's JSON text with today's values, in the shape of the domain's `renderOrder`. */
export const renderOrderRow = (row: OrderRow): string => `${openOrderRow(row)}}`;

const ACCOUNT = /"accountId":"(\d+)"/;

/** The accounts whose orders the records touch. */
export const accountsOf = (records: readonly CommittedRecord[]): ReadonlySet<number> => {
  const accounts = new Set<number>();
  for (const { type, value } of records) {
    if (type !== "order_accepted" && type !== "order_changed") continue;
    const account = ACCOUNT.exec(value)?.[1];
    if (account !== undefined) accounts.add(Number(account));
  }
  return accounts;
};

/** Kept as it came; a rebuilt shard needs these of it. */
const expectRefusal = (value: string): void => {
  const body = parseObject(value) as Partial<RefusalBody>;
  const whole =
    typeof body.accountId === "string" &&
    typeof body.answer === "string" &&
    typeof body.code === "string" &&
    typeof body.status === "number" &&
    typeof body.request === "object";
  if (!whole) throw new UnreadableRecord("the refusal lacks its account, request or answer");
};

const readEpochStarted = (value: string): EpochStarted => {
  const body = parseObject(value) as Partial<EpochStarted>;
  const { previousEpoch, previousSeq, previousHash } = body;
  expectNumbers(previousEpoch, previousSeq);
  if (typeof previousHash !== "string") {
    throw new UnreadableRecord("epoch_started without the hash before it");
  }
  return body as EpochStarted;
};
