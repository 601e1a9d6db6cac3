import { afterEach, describe, expect, spyOn, test } from "bun:test";
import { join } from "node:path";
import { onStopSignal } from "./signals.ts";

const SIGNALS = ["SIGINT", "SIGTERM"] as const;
const before = SIGNALS.map((signal) => process.listeners(signal));

afterEach(() => {
  for (const [i, signal] of SIGNALS.entries()) {
    for (const listener of process.listeners(signal)) {
      if (before[i]?.includes(listener) === false) process.off(signal, listener);
    }
  }
});

describe("stop signals", () => {
  test.each<[string, readonly (readonly [signal: NodeJS.Signals, at: number])[], string[]]>([
    ["one drains", [["SIGTERM", 0]], ["drain"]],
    [
      "repeats within a second count as one",
      [
        ["SIGINT", 5],
        ["SIGINT", 6],
        ["SIGTERM", 900],
        ["SIGINT", 1_005],
      ],
      ["drain"],
    ],
    [
      "a later one means now",
      [
        ["SIGINT", 5],
        ["SIGINT", 1_006],
      ],
      ["drain", "abort"],
    ],
    [
      "a later one means now also after repeats",
      [
        ["SIGINT", 0],
        ["SIGINT", 900],
        ["SIGTERM", 1_800],
      ],
      ["drain", "abort"],
    ],
  ])("%s", (_, signals, expected) => {
    const done: string[] = [];
    onStopSignal(
      () => done.push("drain"),
      () => done.push("abort"),
    );
    const now = spyOn(performance, "now");
    try {
      for (const [signal, at] of signals) {
        now.mockReturnValue(at);
        const listener = process.listeners(signal).at(-1) as (() => void) | undefined;
        listener?.();
      }
    } finally {
      now.mockRestore();
    }
    expect(done).toEqual(expected);
  });

  test("reach the process", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    onStopSignal(resolve, () => {});
    process.kill(process.pid, "SIGTERM");
    await promise;
  });
});

describe("a child process", () => {
  const script = `
    import { announceReady, onParentGone } from ${JSON.stringify(join(import.meta.dir, "signals.ts"))};
    onParentGone(() => {
      console.log("gone");
      process.exit(0);
    });
    announceReady({ port: 7 });
    const alive = setInterval(() => {}, 1000);
    if (!process.connected) {
      console.log("alone");
      clearInterval(alive);
    }
  `;

  test("says that it serves, and hears when its parent is gone", async () => {
    const ready = Promise.withResolvers<unknown>();
    const child = Bun.spawn([process.execPath, "-e", script], {
      ipc: (message) => ready.resolve(message),
      stdout: "pipe",
      stderr: "inherit",
    });
    expect(await ready.promise).toEqual({ type: "ready", port: 7 });
    child.disconnect();
    expect(await child.stdout.text()).toBe("gone\n");
    expect(await child.exited).toBe(0);
  });

  test("without a parent that listens just runs", async () => {
    const child = Bun.spawn([process.execPath, "-e", script], {
      stdout: "pipe",
      stderr: "inherit",
    });
    expect(await child.stdout.text()).toBe("alone\n");
    expect(await child.exited).toBe(0);
  });
});
