import { afterEach, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { createServer, type Socket } from "node:net";
import type {
  AccountId,
  CanonicalDecimal,
  InstrumentSymbol,
  OrderId,
  ShardName,
} from "../../shards/domain/brands.ts";
import { makeOrderId } from "../../shards/domain/brands.ts";
import { defaultSharding, parseShardMap } from "../../shards/domain/symbol-map.ts";
import { limit, type RequestChanges } from "../../shards/domain/test-requests.ts";
import { systemClock } from "../../shards/process/clock.ts";
import { UsageError } from "../../shards/process/failure.ts";
import type { Logger } from "../../shards/process/logger.ts";
import { DRAINING, encodeProgress, PROGRESS } from "../../shards/protocol/answer.ts";
import { encodeFrame } from "../../shards/protocol/frame.ts";
import { WELCOME } from "../../shards/protocol/hello.ts";
import type { Operation } from "../../shards/protocol/operation.ts";
import { answerTo } from "./fake-shard.ts";
import { createShardRouter } from "./router.ts";
import {
  cancel,
  code,
  connected,
  endAll,
  ends,
  inAMinute,
  inAMoment,
  nobody,
  notServing,
  routerTo,
  SHARD1,
  serving,
  shardOn,
} from "./test-router.ts";

afterEach(endAll);

describe("a request", () => {
  test("travels with those of its turn in one frame, and each gets its own answer", async () => {
    const { shard, request } = await serving();
    const asked = [7, 8, 9].map((id) => request(id));
    const frame = await shard.frames.take();
    expect(frame.map((entry) => entry.operation)).toEqual([7, 8, 9].map(cancel));
    shard.answer(...frame.toReversed());
    expect(await Promise.all(asked)).toEqual(frame.map((entry) => answerTo(entry).body));
  });

  test("is preceded by a hello with the api's name and the cluster's secret", async () => {
    const { shard } = await serving();
    expect(await shard.hellos.take()).toEqual({ role: "api", name: "api-1", secret: "secret" });
  });

  test("is refused at once while no shard is connected", async () => {
    const { request, router } = routerTo(nobody);
    expect(await code(request(1))).toBe("shard_unavailable");
    expect(router.states()[0]).toEqual({
      shard: SHARD1,
      state: "unreachable",
      epoch: null,
      detail: "not connected yet",
    });
  });

  test("without an answer ends at its deadline as unknown, and a late answer harms none", async () => {
    const { shard, request } = await serving();
    const patient = request(1);
    const hasty = request(2, inAMoment());
    const frame = await shard.frames.take();
    expect(await code(hasty)).toBe("outcome_unknown");
    shard.answer(...frame);
    expect(await patient).toBe('{"request":1}');
  });

  test("over the limit of unanswered ones is refused until there is room", async () => {
    const { shard, request } = await serving({ queueMax: 1 });
    const first = request(1);
    const second = request(2);
    expect(await code(request(3))).toBe("overloaded");
    const frame = await shard.frames.take();
    expect(frame).toHaveLength(2);
    shard.answer(...frame.slice(0, 1));
    await first;
    const fourth = request(4);
    shard.answer(...frame.slice(1), ...(await shard.frames.take()));
    expect(await Promise.all([second, fourth])).toEqual(['{"request":2}', '{"request":3}']);
  });

  test("that cancels finds room where new orders find none", async () => {
    const { shard, request, router } = await serving({ queueMax: 1 });
    const place = async (changes: RequestChanges): Promise<string> => {
      const order = { kind: "place", accountId: 1 as AccountId, request: limit(changes) } as const;
      return (await router.request(SHARD1, order, inAMinute())).body;
    };
    const first = place({ clientOrderId: "a" });
    expect(await code(place({ clientOrderId: "b" }))).toBe("overloaded");
    const cancelled = request(1);
    expect(await code(place({ clientOrderId: "c", reduceOnly: true }))).toBe("overloaded");
    shard.answer(...(await shard.frames.take()));
    expect(await Promise.all([first, cancelled])).toEqual(['{"request":1}', '{"request":2}']);
  });

  test("that is unanswered when the router closes is unknown", async () => {
    const { shard, request, router } = await serving();
    const asked = code(request(1));
    await shard.frames.take();
    await router.close();
    expect(await asked).toBe("outcome_unknown");
    expect(await code(request(2))).toBe("shard_unavailable");
  });
});

describe("a shard that announces its end", () => {
  test("is sent nothing more, answers what it has, and is followed by the next", async () => {
    const { shard, request, router, lines } = await serving();
    const bench = { router, lines, request };
    const asked = request(1);
    const frame = await shard.frames.take();
    shard.send(encodeFrame(DRAINING, []));
    expect(await notServing(bench)).toBe("it is stopping");
    expect(router.states()[0]).toMatchObject({ state: "draining", detail: "it is stopping" });
    expect(await code(request(2))).toBe("shard_unavailable");
    shard.answer(...frame);
    expect(await asked).toBe('{"request":1}');
    shard.cut();
    expect(await notServing(bench)).toStartWith("no connection");
    await connected(bench);
    expect(shard.frames.waiting).toBe(0);
  });
});

/** A server that takes a WebSocket, greets and then reads no more; what it writes still arrives. */
const deafShard = async (greeting: string): Promise<{ url: string; say(text: string): void }> => {
  const sockets: Socket[] = [];
  const say = (text: string): void => {
    const payload = Buffer.from(text);
    for (const socket of sockets) socket.write(Buffer.of(0x81, payload.length, ...payload));
  };
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    socket.once("data", (head) => {
      const key = /sec-websocket-key: (.*)\r\n/i.exec(String(head))?.[1];
      const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`);
      socket.write(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
          `Sec-WebSocket-Accept: ${accept.digest("base64")}\r\n\r\n`,
      );
      say(greeting);
      socket.pause();
    });
  });
  const { promise: listening, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await listening;
  ends.push(async () => {
    for (const socket of sockets) socket.destroy();
    const { promise: closed, resolve: close } = Promise.withResolvers<void>();
    server.close(() => close());
    await closed;
  });
  const address = server.address() as { port: number };
  return { url: `ws://127.0.0.1:${address.port}`, say };
};

describe("a shard that does not read", () => {
  const MORE_THAN_SOCKETS_HOLD = 100_000;
  const longOperation: Operation = {
    kind: "amend",
    accountId: Number.MAX_SAFE_INTEGER as AccountId,
    orderId: Number.MAX_SAFE_INTEGER as OrderId,
    price: "1".repeat(32) as CanonicalDecimal,
    quantity: "1".repeat(32) as CanonicalDecimal,
  };
  const welcome = encodeFrame(WELCOME, [
    '{"shard":"shard1","shardIndex":1,"epoch":1,"centralId":"c"}',
  ]);
  const fill = async (deadlineAt: number) => {
    const deaf = await deafShard(welcome);
    const bench = routerTo(deaf.url, { queueMax: MORE_THAN_SOCKETS_HOLD });
    await connected(bench);
    const asked = Array.from({ length: MORE_THAN_SOCKETS_HOLD }, () =>
      code(bench.router.request(SHARD1, longOperation, deadlineAt)),
    );
    return { ...bench, deaf, asked };
  };

  test("is sent what sockets hold; at the deadline nothing happened to the rest", async () => {
    const { asked } = await fill(systemClock.now() + 1500);
    const codes = new Set(await Promise.all(asked));
    expect(codes.delete("outcome_unknown")).toBe(true);
    expect(codes.delete("overloaded") || codes.delete("shard_unavailable")).toBe(true);
    codes.delete("shard_unavailable");
    expect([...codes]).toEqual([]);
  });

  test("and announces its end: the unsent are refused at once, the sent are awaited", async () => {
    const { asked, deaf, lines, router } = await fill(inAMinute());
    await new Promise((resolve) => setImmediate(resolve));
    deaf.say(encodeFrame(DRAINING, []));
    expect((await lines.take()).detail).toBe("it is stopping");
    expect(await asked.at(-1)).toBe("shard_unavailable");
    await router.close();
    expect(await asked[0]).toBe("outcome_unknown");
  });
});

describe("a peer that is not the shard is left and tried again", () => {
  test.each([
    ["another shard", undefined, "is shard2, not shard1: correct shardUrls"],
    ["another protocol version", "9 welcome\n{}", "sent protocol version 9; this process speaks 1"],
    ["no welcome", "1 welcome\n{}", "sent a greeting that cannot be read"],
    ["answers before a welcome", "1 answers\n", "sent answers before its welcome"],
  ])("for %s", async (_, greeting, detail) => {
    const shard = shardOn({ shard: "shard2", ...(greeting === undefined ? {} : { greeting }) });
    const bench = routerTo(shard.url);
    expect(await notServing(bench)).toBe(`${shard.url}/shard ${detail}`);
    expect(await code(bench.request(1))).toBe("shard_unavailable");
    expect(bench.router.states()[0]).toMatchObject({ state: "unreachable", epoch: null });
    await shard.hellos.take();
    await shard.hellos.take();
  });

  test.each([
    ["text of no kind", "hello", 'sent not a frame: "hello"'],
    ["a kind of its own", "1 gossip\n", 'sent a frame of the unknown kind "gossip"'],
    ["an answer cut short", "1 answers\n[1,2", 'sent entry without a body: "[1,2"'],
    ["progress that is no JSON", "1 progress\n[1,", "sent JSON Parse error: Unexpected EOF"],
    ["bytes", Uint8Array.of(1, 2), "sent a binary message"],
  ])("when it serves and sends %s", async (_, text, detail) => {
    const { shard, request, router, lines } = await serving();
    const asked = request(1);
    await shard.frames.take();
    shard.send(text);
    expect(await notServing({ request, router, lines })).toBe(`${shard.url}/shard ${detail}`);
    await connected({ request, router, lines });
    shard.answer(...(await shard.frames.take()));
    expect(await asked).toBe('{"request":1}');
  });
});

test("progress from a shard wakes who waits for it, and is its lag", async () => {
  const { shard, router } = await serving();
  const place = { partition: 3, epoch: 1, seq: 5 };
  const nowMs = systemClock.monotonicMs();
  const waiting = router.waitFor(SHARD1, place, "replicated", nowMs + 60_000);
  const known = { partition: 3, epoch: 1, committedSeq: 6, replicatedSeq: 5, appliedSeq: 4 };
  shard.send(encodeFrame(PROGRESS, [encodeProgress({ ...known, lagMs: 1000 })]));
  expect(await waiting).toBe("replicated");
  expect(await router.waitFor(SHARD1, place, "central", nowMs + 20)).toBe("replicated");
  expect(router.lagMs()).toBeGreaterThanOrEqual(1000);
});

describe("a router", () => {
  const options = {
    shardMap: parseShardMap(defaultSharding),
    urls: new Map(["shard1", "shard2", "shard3"].map((name) => [name as ShardName, nobody])),
    apiName: "api-1",
    clusterSecret: "",
    queueMax: 1,
    logger: {} as Logger,
    clock: systemClock,
  };

  test("finds the shard of a symbol and of an order id", () => {
    const router = createShardRouter(options);
    expect(router.shards.map(String)).toEqual(["shard1", "shard2", "shard3"]);
    expect(String(router.shardOfSymbol("ETHUSDT" as InstrumentSymbol))).toBe("shard2");
    expect(String(router.shardOfSymbol("ADAUSDT" as InstrumentSymbol))).toBe("shard3");
    expect(String(router.shardOfOrder(makeOrderId(5, 2)))).toBe("shard2");
    expect(router.shardOfOrder(makeOrderId(5, 4))).toBeUndefined();
    expect(router.lagMs()).toBe(0);
  });

  test("finds the home shard of an account, as shards do", () => {
    const router = createShardRouter(options);
    const homes = [1, 1003, 1005].map((id) => String(router.shardOfAccount(id as AccountId)));
    expect(homes).toEqual(["shard1", "shard2", "shard3"]);
  });

  test.each([
    ["missing", undefined],
    ['"127.0.0.1:80"', "127.0.0.1:80"],
    ['"http://127.0.0.1:80"', "http://127.0.0.1:80"],
  ])("refuses an address that is %s", (shown, url) => {
    const urls = new Map(options.urls);
    if (url === undefined) urls.delete(SHARD1);
    else urls.set(SHARD1, url);
    const message = `shardUrls.shard1 is ${shown}: write it as ws://host:port.`;
    expect(() => createShardRouter({ ...options, urls })).toThrow(new UsageError(message));
  });
});
