import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLogger } from "../../shards/process/logger.ts";
import { createRegistry } from "../../shards/process/metrics.ts";
import { encodeFrame } from "../../shards/protocol/frame.ts";
import { CLAIM, encodeRecords, readGrant, readStopped } from "../../shards/protocol/relay.ts";
import { type RunningApplier, runApplier } from "./run-applier.ts";
import { connectRelay, SECRET, type TestRelay } from "./test-relay.ts";
import { TestShard } from "./test-shard.ts";

const P = 4;
let folder: string;
let applier: RunningApplier;
const relays: TestRelay[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "sluice-central-"));
  applier = await runApplier({
    place: { kind: "embedded", dataDir: folder },
    listen: { host: "127.0.0.1", port: 0 },
    clusterSecret: SECRET,
    outcomeRetentionMs: 3_600_000,
    registry: createRegistry({ process: "applier" }),
    logger: createLogger("test", "silent"),
  });
});
afterEach(async () => {
  for (const relay of relays.splice(0)) relay.close();
  await applier.drain();
  rmSync(folder, { recursive: true });
});

const connect = async (shard: string, secret = SECRET): Promise<TestRelay> => {
  const relay = await connectRelay(applier.port, shard, secret);
  relays.push(relay);
  return relay;
};
const metric = async (name: string): Promise<number> => {
  const text = await (await fetch(`http://127.0.0.1:${applier.port}/metrics`)).text();
  const line = text.split("\n").find((candidate) => candidate.startsWith(`${name}{`));
  return Number(line?.split(" ").at(-1));
};

describe("a relay", () => {
  test("is welcomed with where its shard stands, and its pushes are applied", async () => {
    const shard = new TestShard();
    const relay = await connect(shard.shard);
    expect(relay.welcome.cursors).toEqual([]);
    const grant = await relay.claim();
    expect(grant).toMatchObject({ granted: true, epoch: 1, centralId: relay.welcome.centralId });
    const applied = await relay.push([shard.epochStarted(P), shard.accepted(P)]);
    expect(applied).toEqual({ applied: { partition: P, ...shard.endOf(P) }, stopped: null });
    const again = await connect(shard.shard);
    expect(again.welcome.cursors).toEqual([{ partition: P, ...shard.endOf(P) }]);
    expect(await metric("sluice_applier_records_applied_total")).toBe(2);
  });

  test("is answered for each partition, and told which one has stopped and why", async () => {
    const shard = new TestShard();
    const relay = await connect(shard.shard);
    await relay.claim();
    const good = relay.push([shard.epochStarted(0), shard.accepted(0)]);
    expect((await good).applied?.seq).toBe(2);
    const [start, lost, next] = [shard.epochStarted(P), shard.accepted(P), shard.accepted(P)];
    expect((await relay.push([start])).applied?.seq).toBe(1);
    expect(lost.seq).toBe(2);
    const stopped = await relay.push([next]);
    expect(stopped).toMatchObject({ applied: null, stopped: { partition: P, code: "gap" } });
    expect((await relay.push([shard.accepted(P)])).stopped?.code).toBe("gap");
    expect((await relay.push([shard.accepted(0)])).applied?.seq).toBe(3);
    expect(await metric("sluice_applier_stopped_streams")).toBe(1);
    expect((await relay.push([lost, next])).applied?.seq).toBe(3);
    expect(await metric("sluice_applier_stopped_streams")).toBe(0);
  });

  test("hears of the part that was applied before the stop", async () => {
    const shard = new TestShard();
    const relay = await connect(shard.shard);
    await relay.claim();
    const [start, good, bad] = [shard.epochStarted(P), shard.accepted(P), shard.accepted(P)];
    relay.send(encodeFrame("records", encodeRecords([start, good, { ...bad, value: "{}" }])));
    expect(JSON.parse((await relay.next("applied"))[0] ?? "")).toMatchObject({ seq: 2 });
    expect(readStopped(await relay.next("stopped")).code).toBe("unreadable");
  });

  test("is refused an epoch that it had, unless the loss is accepted", async () => {
    const relay = await connect("shard1");
    await relay.claim();
    const claim = (acceptLoss: boolean): void => {
      relay.send(
        encodeFrame(CLAIM, [
          JSON.stringify({ shard: "shard1", shardIndex: 1, claimId: "c-1", acceptLoss }),
        ]),
      );
    };
    claim(false);
    expect(readGrant(await relay.next("granted"))).toEqual({ granted: false, epoch: 1, orders: 0 });
    claim(true);
    expect(readGrant(await relay.next("granted"))).toMatchObject({ granted: true, epoch: 2 });
  });
});

const shard2Claim = JSON.stringify({
  shard: "shard2",
  shardIndex: 2,
  claimId: "c-2",
  acceptLoss: false,
});

/** Each is sent after a good hello. */
const MALFORMED: readonly [string, string | Uint8Array, RegExp][] = [
  ["no frame", "hello there", /not a frame/],
  ["another version", "7 records\n[]", /protocol version 7/],
  ["bytes", new Uint8Array([1, 2]), /binary/],
  ["an unknown kind", encodeFrame("operations", []), /operations/],
  ["a push without a head", encodeFrame("records", []), /push that cannot be read/],
  ["a push without records", encodeFrame("records", ['["shard1",1,4,""]']), /speaks of nobody/],
  ["a record that is no array", encodeFrame("records", ['["shard1",1,4,""]', "x\t{}"]), /array/],
  [
    "another shard's push",
    encodeFrame("records", encodeRecords([new TestShard(2).epochStarted(P)])),
    /shard2/,
  ],
  ["another shard's claim", encodeFrame(CLAIM, [shard2Claim]), /shard2/],
  ["a claim that can't be read", encodeFrame(CLAIM, ["{}"]), /cannot be read/],
];

describe("a connection is closed, and no other, for", () => {
  test.each(MALFORMED)("%s", async (_name, message, reason) => {
    const other = await connect("shard9");
    const relay = await connect("shard1");
    relay.send(message);
    expect(await relay.closed).toMatchObject({ code: 1008, reason: expect.stringMatching(reason) });
    expect(await other.claim()).toMatchObject({ granted: true });
  });

  test("the wrong secret, without naming the right one", async () => {
    const refused = await connect("shard1", "wrong").catch((error: Error) => error.message);
    expect(refused).toContain("SLUICE_CLUSTER_SECRET");
    expect(refused).not.toContain(SECRET);
  });

  test("a push before the hello", async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${applier.port}/applier`);
    const closed = new Promise<CloseEvent>((done) => socket.addEventListener("close", done));
    socket.addEventListener("open", () => socket.send(encodeFrame(CLAIM, [shard2Claim])));
    expect((await closed).reason).toBe("claim before hello");
  });
});

test.each(["http://evil.example", "null"])("a web page's socket is refused: %s", async (origin) => {
  const headers = {
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    origin,
  };
  const response = await fetch(`http://127.0.0.1:${applier.port}/applier`, { headers });
  expect(response.status).toBe(403);
});

test("health is told over HTTP; everything else is not there", async () => {
  const base = `http://127.0.0.1:${applier.port}`;
  expect((await fetch(`${base}/healthz`)).status).toBe(200);
  expect((await fetch(`${base}/applier`)).status).toBe(426);
  expect((await fetch(`${base}/`)).status).toBe(404);
});
