/**
 * Stop requests. A Ctrl-C reaches a process several times (the terminal, npx and bun each deliver
 * it), so repeats within a second count as one; a later one means "now".
 */
const REPEAT_WINDOW_MS = 1000;

/** Calls `drain` at the first SIGINT or SIGTERM, `abort` at one that comes over a second later. */
export const onStopSignal = (drain: () => void, abort: () => void): void => {
  let firstAt: number | undefined;
  const handle = (): void => {
    const now = performance.now();
    if (firstAt === undefined) {
      firstAt = now;
      drain();
    } else if (now - firstAt > REPEAT_WINDOW_MS) {
      abort();
    }
  };
  process.on("SIGINT", handle);
  process.on("SIGTERM", handle);
};

/**
 * Calls `gone` when the process that started this one has died: the supervisor holds the other end
 * of its children's IPC channel, and the kernel closes it whatever kills the supervisor.
 */
export const onParentGone = (gone: () => void): void => {
  if (process.connected) process.on("disconnect", gone);
};

/** Tells the supervisor, if there is one, that this process serves, and where. */
export const announceReady = (details: Readonly<Record<string, string | number>>): void => {
  if (process.connected) process.send?.({ type: "ready", ...details });
};
