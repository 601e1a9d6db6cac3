import { afterEach, beforeEach, expect, test } from "bun:test";
import { createLogger } from "../process/logger.ts";
import { SHARD_PATH, type ShardWelcome } from "../protocol/hello.ts";
import { type ShardServer, startShardServer } from "./server.ts";

let server: ShardServer;
beforeEach(() => {
  server = startShardServer({
    host: "127.0.0.1",
    port: 0,
    clusterSecret: "",
    welcome: {} as ShardWelcome,
    onOperation: () => {},
    onBankMessage: () => {},
    progress: () => [],
    onHttp: () => new Response("here"),
    logger: createLogger("test", "silent"),
  });
});
afterEach(() => server.stop());

const UPGRADE = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-version": "13",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
};

test.each(["http://evil.example", "http://127.0.0.1:8080", "null"])(
  "a web page's socket is refused (Origin: %s)",
  async (origin) => {
    const url = `http://127.0.0.1:${server.port}${SHARD_PATH}`;
    const response = await fetch(url, { headers: { ...UPGRADE, origin } });
    expect(response.status).toBe(403);
  },
);

test("one of our own processes is let in, for its socket says no origin", async () => {
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}${SHARD_PATH}`);
  const outcome = Promise.withResolvers<string>();
  socket.addEventListener("open", () => outcome.resolve("open"));
  socket.addEventListener("close", ({ code }) => outcome.resolve(`closed ${code}`));
  expect(await outcome.promise).toBe("open");
  socket.close();
});
