import { expect, spyOn, test } from "bun:test";
import { drainStep } from "./drain-step.ts";
import { reasonOf } from "./failure.ts";
import { createLogger } from "./logger.ts";

const LONG_MS = 600_000;
const logger = createLogger("test", "silent");
const warn = spyOn(logger, "warn");

test("a step that ends is waited for, without a warning", async () => {
  warn.mockClear();
  const step = Promise.withResolvers<void>();
  let isOver = false;
  const drained = drainStep(logger, "closing", LONG_MS, step.promise).then(() => {
    isOver = true;
  });
  await Bun.sleep(0);
  expect(isOver).toBe(false);
  step.resolve();
  await drained;
  expect(warn).not.toHaveBeenCalled();
});

test("a step that never ends is left behind with a warning that names it", async () => {
  warn.mockClear();
  await drainStep(logger, "closing", 1, new Promise(() => {}));
  expect(warn.mock.calls).toEqual([
    [{ step: "closing", msMax: 1 }, "a step of the drain took too long"],
  ]);
});

test("a step that fails fails the drain", async () => {
  const step = Promise.reject(new Error("no room"));
  const reason = await drainStep(logger, "closing", LONG_MS, step).catch(reasonOf);
  expect(reason).toBe("no room");
});
