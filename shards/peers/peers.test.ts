import { afterEach, describe, expect, test } from "bun:test";
import type { Socket } from "bun";
import { until } from "../../tests/support/until.ts";
import type { AccountId, OrderId, ShardName } from "../domain/brands.ts";
import type { BankMessage } from "../domain/escrow/messages.ts";
import { createLogger } from "../process/logger.ts";
import type { ShardWelcome } from "../protocol/hello.ts";
import { type ShardServer, startShardServer } from "../writer/server.ts";
import { Peers, receiverOf } from "./peers.ts";

const SECRET = "a secret of the cluster, 32 bytes";
const WAIT_MS = 30_000;
const logger = createLogger("test", "silent");
const HOME = 1;

const envelope = { accountId: 42 as AccountId, asset: "USDT", shardIndex: 2, epoch: 1 };
const request = (reqSeq: number): BankMessage => ({
  kind: "grant_request",
  ...envelope,
  reqSeq,
  needMinor: 5n,
  afterEvt: 0,
});
const acknowledged = (evtSeq: number): BankMessage => ({
  kind: "event_ack",
  ...envelope,
  term: 1,
  evtSeq,
});

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** The socket of the shard with this index; `heard` is what other shards have said to it. */
const serve = (shardIndex: number, port = 0) => {
  const heard: BankMessage[] = [];
  const server: ShardServer = startShardServer({
    host: "127.0.0.1",
    port,
    clusterSecret: SECRET,
    welcome: { shard: `shard${shardIndex}`, shardIndex, epoch: 1, centralId: "c" } as ShardWelcome,
    onOperation: () => {},
    onBankMessage: (message) => heard.push(message),
    progress: () => [],
    onHttp: () => new Response("here"),
    logger,
  });
  cleanups.push(() => server.stop());
  return { heard, server };
};

const connect = (port: number, options: { shardIndex?: number; clusterSecret?: string } = {}) => {
  const { shardIndex = HOME, clusterSecret = SECRET } = options;
  const served: number[] = [];
  const peers = new Peers({
    shard: "shard2" as ShardName,
    clusterSecret,
    others: [{ shardIndex, url: `ws://127.0.0.1:${port}` }],
    homeOf: () => HOME,
    logger,
    onServing: (index) => served.push(index),
  });
  cleanups.push(() => peers.stop());
  return { peers, served };
};

/** In front of a server; while it swallows, connections stay and nothing gets through them. */
const holeBefore = (target: number) => {
  const hole = { port: 0, swallows: false };
  type Pipe = { up: Promise<Socket> };
  const listener = Bun.listen<Pipe>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open(client) {
        const up = Bun.connect({
          hostname: "127.0.0.1",
          port: target,
          socket: { data: (_, chunk) => void (hole.swallows || client.write(chunk)) },
        });
        client.data = { up };
      },
      data(client, chunk) {
        const bytes = new Uint8Array(chunk);
        if (!hole.swallows) void client.data.up.then((up) => up.write(bytes));
      },
      close: (client) => void client.data.up.then((up) => up.end()),
    },
  });
  cleanups.push(() => listener.stop(true));
  hole.port = listener.port;
  return hole;
};

test("a bank's messages go to the shard that they are about, the others to the bank", () => {
  expect(receiverOf(request(1), () => 7)).toBe(7);
  expect(receiverOf(acknowledged(1), () => 7)).toBe(2);
});

describe("a connection to another shard", () => {
  test("brings messages in their order, after its welcome", async () => {
    const { heard, server } = serve(HOME);
    const { peers, served } = connect(server.port);
    peers.send([request(1)]);
    await until("served", WAIT_MS, () => served.length > 0);
    peers.send([request(2), request(3)]);
    peers.send([request(4)]);
    await until("heard", WAIT_MS, () => heard.length === 3);
    // The first found no connection: its purse sends it again.
    expect(heard).toEqual([request(2), request(3), request(4)]);
    expect([served, peers.serving]).toEqual([[HOME], 1]);
  });

  test("that is lost is made anew, and tells so for what has to be sent again", async () => {
    const first = serve(HOME);
    const { port } = first.server;
    const { peers, served } = connect(port);
    await until("served", WAIT_MS, () => served.length === 1);
    await first.server.stop();
    await until("lost", WAIT_MS, () => peers.serving === 0);
    peers.send([request(1)]);
    const second = serve(HOME, port);
    await until("served again", WAIT_MS, () => served.length === 2);
    peers.send([request(1)]);
    await until("heard", WAIT_MS, () => second.heard.length === 1);
    expect(first.heard).toEqual([]);
  });

  test("brings what a long absence has gathered, more than one frame may hold", async () => {
    const { heard, server } = serve(HOME);
    const { peers, served } = connect(server.port);
    await until("served", WAIT_MS, () => served.length > 0);
    const executionId = "x".repeat(1000);
    const event = { evtSeq: 1, kind: "PNL", unitsMinor: 0n, deltaMinor: 1n } as const;
    const rest = { orderId: 1 as OrderId, executionId, afterCommitSeq: 1 };
    const one: BankMessage = { kind: "event", ...envelope, event: { ...event, ...rest } };
    peers.send(Array.from({ length: 17_000 }, () => one));
    await until("heard", WAIT_MS, () => heard.length >= 10_000);
    peers.send([request(7)]);
    await until("heard the next", WAIT_MS, () => heard.at(-1)?.kind === "grant_request");
    expect(served).toEqual([HOME]);
  });

  test("on which nothing comes back is made anew: a host can vanish without a word", async () => {
    const { heard, server } = serve(HOME);
    const hole = holeBefore(server.port);
    const { peers, served } = connect(hole.port);
    await until("served", WAIT_MS, () => served.length === 1);
    hole.swallows = true;
    await until("noticed", WAIT_MS, () => peers.serving === 0);
    hole.swallows = false;
    await until("served again", WAIT_MS, () => served.length === 2);
    peers.send([request(1)]);
    await until("heard", WAIT_MS, () => heard.length > 0);
    expect(heard).toEqual([request(1)]);
  });

  test("never serves with another shard, nor without the cluster's secret", async () => {
    const stranger = serve(3);
    const wrongShard = connect(stranger.server.port);
    const home = serve(HOME);
    const wrongSecret = connect(home.server.port, { clusterSecret: "another one" });
    const right = connect(home.server.port);
    await until("the right one", WAIT_MS, () => right.served.length === 1);
    expect([wrongShard.served, wrongSecret.served]).toEqual([[], []]);
    wrongShard.peers.send([request(1)]);
    wrongSecret.peers.send([request(1)]);
    right.peers.send([request(2)]);
    await until("heard", WAIT_MS, () => home.heard.length > 0);
    expect([home.heard, stranger.heard]).toEqual([[request(2)], []]);
  });
});
