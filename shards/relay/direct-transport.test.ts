import { afterEach, describe, expect, test } from "bun:test";
import {
  FakeApplier,
  type Peer,
  reasonFor,
  say,
  unreachable,
} from "../../tests/support/applier.ts";
import type { Frame } from "../protocol/frame.ts";
import { type Hello, WELCOME } from "../protocol/hello.ts";
import { type CommittedRecord, chainHash, ZERO_HASH } from "../protocol/record.ts";
import {
  APPLIED,
  CLAIM,
  decodeRecords,
  GRANTED,
  type Grant,
  RECORDS,
  STOPPED,
} from "../protocol/relay.ts";
import { askStanding, claimEpoch } from "./claim.ts";
import { DirectTransport } from "./direct-transport.ts";

const HELLO: Hello = { role: "shard", name: "shard1", secret: "s" };
const WELCOME_BODY = { centralId: "central-1", epoch: 1, cursors: [] };

let applier: FakeApplier | undefined;
afterEach(async () => {
  await applier?.stop();
  applier = undefined;
});

const start = (onFrame: (frame: Frame, socket: Peer) => void): FakeApplier => {
  applier = new FakeApplier((frame, socket) => {
    if (frame.kind === "hello") say(socket, WELCOME, WELCOME_BODY);
    else onFrame(frame, socket);
  });
  return applier;
};

const recordsOf = (partition: number, count: number): CommittedRecord[] => {
  let prevHash = ZERO_HASH;
  return Array.from({ length: count }, (_, i): CommittedRecord => {
    const value = `{"n":${i}}`;
    const record: CommittedRecord = {
      type: "order_accepted",
      shard: "shard1",
      epoch: 1,
      partition,
      seq: i + 1,
      commitSeq: i + 1,
      at: i,
      key: "BTCUSDT",
      value,
      prevHash,
      hash: chainHash(prevHash, value),
    };
    prevHash = record.hash;
    return record;
  });
};

const cursorAfter = (records: readonly CommittedRecord[]) => {
  const last = records.at(-1);
  if (last === undefined) throw new Error("no records");
  const { partition, epoch, seq, hash } = last;
  return { partition, epoch, seq, hash };
};

describe("the direct hand-over", () => {
  test("greets, and gives central's id and cursors", async () => {
    const { url, frames } = start(() => {});
    const transport = new DirectTransport(url, HELLO);
    expect(await transport.connect()).toEqual(WELCOME_BODY);
    expect(frames).toEqual([{ kind: "hello", entries: [JSON.stringify(HELLO)] }]);
    transport.close();
    await applier?.closed.promise;
  });

  test("hands the records over and resolves each partition by its own answer", async () => {
    const pushes: CommittedRecord[][] = [];
    const { url } = start(({ kind, entries }, socket) => {
      expect(kind).toBe(RECORDS);
      pushes.push(decodeRecords(entries));
      if (pushes.length < 2) return;
      // One frame may answer several pushes, in any order.
      say(socket, APPLIED, ...pushes.map(cursorAfter).toReversed());
    });
    const transport = new DirectTransport(url, HELLO);
    await transport.connect();
    const [one, two] = [recordsOf(1, 3), recordsOf(2, 1)];
    expect(await Promise.all([transport.send(one), transport.send(two)])).toEqual([
      { kind: "applied", cursor: cursorAfter(one) },
      { kind: "applied", cursor: cursorAfter(two) },
    ]);
    expect(pushes).toEqual([one, two]);
    transport.close();
  });

  test("tells that central has stopped a partition", async () => {
    const stopped = { partition: 1, code: "gap" as const, detail: "2 is missing" };
    const { url } = start((_, socket) => say(socket, STOPPED, stopped));
    const transport = new DirectTransport(url, HELLO);
    await transport.connect();
    expect(await transport.send(recordsOf(1, 1))).toEqual({ kind: "stopped", stopped });
    transport.close();
  });

  test.each<[string, (socket: Peer) => void, RegExp]>([
    ["closes", (socket) => socket.close(1000, "going away"), /going away/],
    ["dies", (socket) => socket.terminate(), /closed|not reachable|reset|failed|ended/i],
    ["says what nobody knows", (socket) => say(socket, "weather", {}), /unexpected weather/],
    ["says what can't be read", (socket) => socket.sendText("???"), /not a frame/],
  ])("rejects what waits when the applier %s, and can connect again", async (_, end, why) => {
    const { url } = start((_frame, socket) => end(socket));
    const transport = new DirectTransport(url, HELLO);
    await transport.connect();
    const sent = [transport.send(recordsOf(1, 1)), transport.send(recordsOf(2, 1))];
    expect(await Promise.all(sent.map(reasonFor))).toEqual([unreachable(why), unreachable(why)]);
    const after = await reasonFor(transport.send(recordsOf(1, 1)));
    expect(after).toEqual(unreachable(/not connected/));
    expect(await transport.connect()).toEqual(WELCOME_BODY);
    transport.close();
  });

  test("rejects what waits when it is closed itself", async () => {
    const { url } = start(() => {});
    const transport = new DirectTransport(url, HELLO);
    await transport.connect();
    const sent = reasonFor(transport.send(recordsOf(1, 1)));
    transport.close();
    expect(await sent).toEqual(unreachable(/closed/));
  });

  test("can't connect where nobody listens, or somebody else does", async () => {
    const { url } = start(() => {});
    await applier?.stop();
    expect(await reasonFor(new DirectTransport(url, HELLO).connect())).toEqual(unreachable(/ws:/));
    const other = new FakeApplier((_, socket) => say(socket, "hi", {}));
    applier = other;
    const connected = reasonFor(new DirectTransport(other.url, HELLO).connect());
    expect(await connected).toEqual(unreachable(/unexpected hi/));
  });

  test("leaves no connection when it is closed while it connects", async () => {
    const greeted = Promise.withResolvers<Peer>();
    const other = new FakeApplier((_, socket) => greeted.resolve(socket));
    applier = other;
    const transport = new DirectTransport(other.url, HELLO);
    const connecting = reasonFor(transport.connect());
    const socket = await greeted.promise;
    transport.close();
    say(socket, WELCOME, WELCOME_BODY);
    await connecting;
    await other.closed.promise;
    expect(await reasonFor(transport.send(recordsOf(1, 1)))).toEqual(unreachable(/./));
  });
});

describe("a start's questions to central", () => {
  test("where it stands with this shard", async () => {
    const { url, closed } = start(() => {});
    expect(await askStanding(url, HELLO)).toEqual(WELCOME_BODY);
    await closed.promise;
  });

  const claim = { shard: "shard1", shardIndex: 1, claimId: "c-1", acceptLoss: false };

  test.each<Grant>([
    { granted: true, centralId: "central-1", epoch: 1, orderCounter: 0, cursors: [] },
    { granted: false, epoch: 2, orders: 17 },
  ])("the epoch of a new file: %j", async (grant) => {
    const { url, frames, closed } = start((_, socket) => say(socket, GRANTED, grant));
    expect(await claimEpoch(url, HELLO, claim)).toEqual(grant);
    expect(frames[1]).toEqual({ kind: CLAIM, entries: [JSON.stringify(claim)] });
    await closed.promise;
  });

  test("which fails for a while when the connection is lost before the answer", async () => {
    const { url } = start((_, socket) => socket.close());
    expect(await reasonFor(claimEpoch(url, HELLO, claim))).toEqual(unreachable(/closed/));
  });
});
