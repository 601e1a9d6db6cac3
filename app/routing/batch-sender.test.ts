import { describe, expect, test } from "bun:test";
import { systemClock } from "../../shards/process/clock.ts";
import { decodeFrame } from "../../shards/protocol/frame.ts";
import { decodeOperation } from "../../shards/protocol/operation.ts";
import { BatchSender } from "./batch-sender.ts";
import { Inbox } from "./fake-shard.ts";
import { PendingOperation } from "./pending-operations.ts";

/** A client's socket whose peer reads when the test says so. */
class FakeSocket {
  bufferedAmount = 0;
  /** Added to bufferedAmount by each frame. */
  bytesPerFrame = 0;
  /** Request ids of each frame. */
  readonly frames = new Inbox<number[]>();

  send(text: string): void {
    this.bufferedAmount += this.bytesPerFrame;
    this.frames.put(decodeFrame(text).entries.map((entry) => decodeOperation(entry).requestId));
  }
}

const asSocket = (socket: FakeSocket): WebSocket => socket as unknown as WebSocket;
const operation = (requestId: number): PendingOperation =>
  new PendingOperation(requestId, { kind: "status" }, 0, 0);
const ids = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);

const MEBIBYTE = 1 << 20;

describe("operations are sent", () => {
  test("in one frame a turn, in the order in which they came", async () => {
    const socket = new FakeSocket();
    const sender = new BatchSender(systemClock);
    sender.attach(asSocket(socket), [operation(1), operation(2)]);
    sender.push(operation(3));
    expect(await socket.frames.take()).toEqual([1, 2, 3]);
    sender.push(operation(4));
    expect(await socket.frames.take()).toEqual([4]);
  });

  test("in frames of 1,024 when there are more", async () => {
    const socket = new FakeSocket();
    const sender = new BatchSender(systemClock);
    sender.attach(asSocket(socket), ids(1, 2050).map(operation));
    expect(await socket.frames.take()).toEqual(ids(1, 1024));
    expect(await socket.frames.take()).toEqual(ids(1025, 2048));
    expect(await socket.frames.take()).toEqual([2049, 2050]);
  });

  test("no more than the peer reads, and go on when it does", async () => {
    const socket = new FakeSocket();
    socket.bytesPerFrame = MEBIBYTE + 1;
    const sender = new BatchSender(systemClock);
    const late = ids(1025, 1027).map(operation);
    sender.attach(asSocket(socket), [...ids(1, 1024).map(operation), ...late]);
    expect(await socket.frames.take()).toEqual(ids(1, 1024));
    expect(socket.frames.waiting).toBe(0);
    expect(late.map((each) => each.wasSent)).toEqual([false, false, false]);

    for (const each of late.slice(0, 1)) each.settled = true;
    sender.push(operation(1028));
    socket.bufferedAmount = 0;
    expect(await socket.frames.take()).toEqual([1026, 1027, 1028]);
    expect(late.map((each) => each.wasSent)).toEqual([false, true, true]);
  });

  test("to the socket of the moment only", async () => {
    const [first, second] = [new FakeSocket(), new FakeSocket()];
    const sender = new BatchSender(systemClock);
    sender.attach(asSocket(first), [operation(1)]);
    sender.detach();
    sender.push(operation(2));
    sender.attach(asSocket(second), [operation(3)]);
    expect(await second.frames.take()).toEqual([3]);
    expect(first.frames.waiting).toBe(0);
  });
});
