/** What a fetch brought of one partition, as the applier takes it. Pure. */
import { isUtf8 } from "node:buffer";
import { FrameError } from "../../../shards/protocol/frame.ts";
import type { CommittedRecord } from "../../../shards/protocol/record.ts";
import { decodeTopicRecord, type RawTopicMessage } from "../../../shards/protocol/topic.ts";
import type { Intake, PositionMove, QuarantinedRecord } from "../store.ts";

export interface OffsetMessage extends RawTopicMessage {
  readonly offset: string;
}

/**
 * Records of one (shard, epoch) are one push, in the order of the topic. What can't be read goes
 * into quarantine: whose stream it belongs to is not known, and its chain will show what is missing.
 */
export const intakeOf = (messages: readonly OffsetMessage[], move: PositionMove): Intake => {
  const { partition } = move;
  const pushes = new Map<string, CommittedRecord[]>();
  const quarantined: QuarantinedRecord[] = [];
  for (const message of messages) {
    try {
      const record = decodeTopicRecord(message, partition);
      const stream = `${record.shard}/${record.epoch}`;
      const push = pushes.get(stream);
      if (push === undefined) pushes.set(stream, [record]);
      else push.push(record);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      quarantined.push(asItCame(partition, message, error.message));
    }
  }
  return { pushes: [...pushes.values()], positions: [move], quarantined };
};

const asItCame = (
  partition: number,
  { offset, key, headers = {}, value }: OffsetMessage,
  detail: string,
): QuarantinedRecord => ({
  partition,
  offset,
  shard: null,
  epoch: null,
  seq: null,
  code: "unreadable",
  detail,
  key: shown(key),
  headers: JSON.stringify(
    Object.fromEntries(
      Object.entries(headers).map(([name, text]) => [
        name,
        Array.isArray(text) ? text.map(shown) : shown(text),
      ]),
    ),
  ),
  value: shown(value),
});

/** What is not UTF-8 as `base64:…`. */
const shown = (bytes: Uint8Array | string | null | undefined): string => {
  if (bytes === null || bytes === undefined) return "";
  if (typeof bytes === "string") return bytes;
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return isUtf8(buffer) ? buffer.toString() : `base64:${buffer.toString("base64")}`;
};
