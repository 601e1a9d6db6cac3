import { expect, test } from "bun:test";
import type { RelayStart } from "./messages.ts";
import { RelayHandle } from "./relay-handle.ts";

const START: RelayStart = {
  path: "/nowhere/shard1.sqlite",
  shard: "shard1",
  epoch: 1,
  centralId: "central-1",
  applierUrl: "ws://127.0.0.1:1",
  clusterSecret: "secret",
  kafka: null,
  logLevel: "silent",
};

const threadOf = (code: string): Worker => new Worker(URL.createObjectURL(new Blob([code])));

test.each([
  ["an error that nobody catches", 'throw new Error("boom");', "boom"],
  ["a promise that fails", 'void Promise.reject(new Error("boom"));', "boom"],
  ["its own end", "process.exit(0);", "ended without an error"],
])("a relay that dies of %s is told once", async (_, code, reason) => {
  const deaths: string[] = [];
  const death = Promise.withResolvers<void>();
  const onDied = (why: string): void => {
    deaths.push(why);
    death.resolve();
  };
  const relay = new RelayHandle(
    threadOf(`onmessage = () => { ${code} };`),
    START,
    () => {},
    onDied,
  );
  await death.promise;
  await relay.close();
  expect(deaths).toEqual([expect.stringContaining(reason)]);
});

test("a relay that is closed has not died", async () => {
  const deaths: string[] = [];
  const thread = threadOf("onmessage = () => {};");
  const relay = new RelayHandle(
    thread,
    START,
    () => {},
    (reason) => deaths.push(reason),
  );
  await relay.close();
  expect(deaths).toEqual([]);
});
