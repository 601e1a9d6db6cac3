/** A thread beside the shard's own. It may end only when it is told to. */

/** A thread inside a long SQLite call ends after it; longer is not waited for. */
export const THREAD_END_MS_MAX = 1000;

/**
 * Calls `onDied` once when the thread ends by itself. Gives the function that ends it; its promise
 * is fulfilled when the thread runs nothing any more, or after {@link THREAD_END_MS_MAX}.
 */
export const watchThread = (
  thread: Worker,
  onDied: (reason: string) => void,
): (() => Promise<void>) => {
  const ended = Promise.withResolvers<void>();
  let isExpected = false;
  const died = (reason: string): void => {
    if (isExpected) return;
    isExpected = true;
    onDied(reason);
  };
  thread.addEventListener("error", ({ message }) => died(message));
  thread.addEventListener("close", () => {
    ended.resolve();
    died("it ended without an error");
  });
  return async () => {
    isExpected = true;
    thread.terminate();
    const patience = setTimeout(ended.resolve, THREAD_END_MS_MAX);
    await ended.promise;
    clearTimeout(patience);
  };
};
