import { expect, test } from "bun:test";
import { UsageError } from "../../shards/process/failure.ts";
import { pickPorts } from "./ports.ts";

test("picked ports differ, can be listened on, and lie below those of outgoing connections", () => {
  const ports = pickPorts(5);
  expect(new Set(ports).size).toBe(5);
  for (const port of ports) {
    expect(port).toBeWithin(20_000, 32_768);
    Bun.listen({ hostname: "127.0.0.1", port, socket: { data: () => {} } }).stop(true);
  }
});

test("a port that somebody listens on is not picked", () => {
  const [port = 0] = pickPorts(1);
  const taken = Bun.listen({ hostname: "127.0.0.1", port, socket: { data: () => {} } });
  try {
    const always = (): number => (port - 20_000 + 0.5) / (32_768 - 20_000);
    expect(() => pickPorts(1, always)).toThrow(UsageError);
  } finally {
    taken.stop(true);
  }
  const always = (): number => (port - 20_000 + 0.5) / (32_768 - 20_000);
  expect(pickPorts(1, always)).toEqual([port]);
});
