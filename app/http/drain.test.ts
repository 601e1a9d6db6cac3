import { afterEach, expect, spyOn, test } from "bun:test";
import { connect, type Socket } from "node:net";
import type { Server } from "bun";
import { systemClock } from "../../shards/process/clock.ts";
import { createLogger } from "../../shards/process/logger.ts";
import { drainHttp } from "./drain.ts";

/** Far beyond the test's own time: who waits for it fails. */
const LONG_MS = 600_000;
const TEST_MS_MAX = 10_000;

const logger = createLogger("test", "silent");
const warn = spyOn(logger, "warn");
let server: Server<undefined>;
const sockets = new Set<Socket>();

const serve = (answer: () => Promise<Response> | Response): void => {
  server = Bun.serve({ hostname: "127.0.0.1", port: 0, idleTimeout: 255, fetch: answer });
};

const drain = (requestDeadlineMs: number): Promise<void> =>
  drainHttp({ server, requestDeadlineMs, clock: systemClock, logger });

/** A connection that sends bytes as they are. */
const open = async () => {
  const socket = connect(server.port ?? 0, "127.0.0.1");
  sockets.add(socket);
  let text = "";
  socket.on("data", (data) => {
    text += data;
  });
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  await new Promise<void>((resolve) => socket.once("connect", () => resolve()));
  return {
    send: (bytes: string) => socket.write(bytes),
    answered: () => new Promise<void>((resolve) => socket.once("data", () => resolve())),
    /** All that was received by the end of the connection. */
    received: async () => {
      await closed;
      return text;
    },
  };
};

/** When this one is answered the server has read what other connections sent before. */
const othersAreRead = async (): Promise<void> => {
  await (await fetch(server.url)).text();
};

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  warn.mockClear();
  await server.stop(true);
});

test(
  "a connection answered before its body had come does not hold the drain",
  async () => {
    serve(() => new Response("refused", { status: 413 }));
    const client = await open();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nab");
    await client.answered();
    for (const part of ["cd", "ef", "gh"]) {
      client.send(part);
      await othersAreRead();
    }
    await drain(LONG_MS);
    expect(await client.received()).toEndWith("refused");
    expect(warn).not.toHaveBeenCalled();
  },
  TEST_MS_MAX,
);

test(
  "a request of which only the beginning has come does not hold the drain",
  async () => {
    serve(() => new Response("well"));
    const client = await open();
    client.send("GET / HTTP/1.1\r\nHo");
    await othersAreRead();
    await drain(LONG_MS);
    expect(await client.received()).toBe("");
    expect(warn).not.toHaveBeenCalled();
  },
  TEST_MS_MAX,
);

test(
  "an answer under way is waited for",
  async () => {
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<Response>();
    serve(() => {
      asked.resolve();
      return answer.promise;
    });
    const client = await open();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await asked.promise;
    const drained = drain(LONG_MS);
    expect(await fetch(server.url).catch(() => "refused")).toBe("refused");
    answer.resolve(new Response("well"));
    await drained;
    expect(await client.received()).toEndWith("well");
    expect(warn).not.toHaveBeenCalled();
  },
  TEST_MS_MAX,
);

test(
  "an answer that does not come in time is given up with a warning",
  async () => {
    const asked = Promise.withResolvers<void>();
    serve(() => {
      asked.resolve();
      return new Promise(() => {});
    });
    const client = await open();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await asked.promise;
    await drain(50);
    expect(await client.received()).toBe("");
    expect(warn.mock.calls).toEqual([
      [{ pendingRequests: 1 }, "requests were cut off by the drain"],
    ]);
  },
  TEST_MS_MAX,
);
