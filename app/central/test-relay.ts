/** For tests: a relay's end of the connection to a real applier. */
import { decodeFrame, encodeFrame } from "../../shards/protocol/frame.ts";
import {
  type ApplierWelcome,
  type Cursor,
  HELLO,
  readApplierWelcome,
  WELCOME,
} from "../../shards/protocol/hello.ts";
import type { CommittedRecord } from "../../shards/protocol/record.ts";
import {
  APPLIED,
  CLAIM,
  encodeRecords,
  GRANTED,
  type Grant,
  RECORDS,
  readGrant,
  readStopped,
  STOPPED,
  type Stopped,
} from "../../shards/protocol/relay.ts";

export const SECRET = "0123456789abcdef0123456789abcdef";

export interface TestRelay {
  readonly welcome: ApplierWelcome;
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  send(message: string | Uint8Array): void;
  /** The entries of the next frame, which must be of this kind. */
  next(kind: string): Promise<readonly string[]>;
  claim(acceptLoss?: boolean): Promise<Grant>;
  /** Sends one push and waits for its one answer. */
  push(
    records: readonly CommittedRecord[],
  ): Promise<{ readonly applied: Cursor | null; readonly stopped: Stopped | null }>;
  close(): void;
}

/** Rejects with the reason when the applier closes the connection instead. */
export const connectRelay = async (
  port: number,
  shard: string,
  secret: string,
): Promise<TestRelay> => {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/applier`);
  const inbox = inboxOf(socket);
  await new Promise((done, fail) => {
    socket.addEventListener("open", done);
    socket.addEventListener("error", () => fail(new Error(`nobody listens on ${port}`)));
  });
  const send = (message: string | Uint8Array): void =>
    socket.send(message as string | Uint8Array<ArrayBuffer>);
  send(encodeFrame(HELLO, [JSON.stringify({ role: "shard", name: shard, secret })]));
  const next = async (kind: string): Promise<readonly string[]> => {
    const frame = await inbox.frame();
    if (frame.kind !== kind) throw new Error(`${frame.kind} came, not ${kind}`);
    return frame.entries;
  };
  return {
    welcome: readApplierWelcome(await next(WELCOME)),
    closed: inbox.closed,
    send,
    next,
    claim: async (acceptLoss = false) => {
      const shardIndex = Number(shard.slice("shard".length));
      send(
        encodeFrame(CLAIM, [
          JSON.stringify({ shard, shardIndex, claimId: crypto.randomUUID(), acceptLoss }),
        ]),
      );
      return readGrant(await next(GRANTED));
    },
    push: async (records) => {
      send(encodeFrame(RECORDS, encodeRecords(records)));
      const { kind, entries } = await inbox.frame();
      if (kind === STOPPED) return { applied: null, stopped: readStopped(entries) };
      if (kind !== APPLIED) throw new Error(`${kind} came for a push`);
      return { applied: JSON.parse(entries[0] ?? "") as Cursor, stopped: null };
    },
    close: () => socket.close(),
  };
};

type Frame = ReturnType<typeof decodeFrame>;

/** Frames in order, for whoever waits; a close fails them all. */
const inboxOf = (socket: WebSocket) => {
  const frames: Frame[] = [];
  let waiting: PromiseWithResolvers<Frame> | null = null;
  const closing = Promise.withResolvers<{ code: number; reason: string }>();
  socket.addEventListener("message", ({ data }) => {
    const frame = decodeFrame(String(data));
    if (waiting === null) frames.push(frame);
    else waiting.resolve(frame);
    waiting = null;
  });
  socket.addEventListener("close", ({ code, reason }) => {
    closing.resolve({ code, reason });
    waiting?.reject(new Error(`closed: ${reason}`));
  });
  return {
    closed: closing.promise,
    frame: (): Promise<Frame> => {
      const ready = frames.shift();
      if (ready !== undefined) return Promise.resolve(ready);
      waiting = Promise.withResolvers<Frame>();
      return waiting.promise;
    },
  };
};
