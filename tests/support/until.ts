const LOOK_MS = 10;

/**
 * Waits until `look` gives something else than undefined or false; throws when time is up, with
 * what `what` says by then.
 */
export const until = async <T>(
  what: string | (() => string),
  msMax: number,
  look: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> => {
  const giveUpAt = performance.now() + msMax;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > giveUpAt) {
      throw new Error(`not within ${msMax} ms: ${typeof what === "string" ? what : what()}`);
    }
    await Bun.sleep(LOOK_MS);
  }
};

/** Does `work` for each item, `lanes` at a time, and gives the results in the items' order. */
export const inLanes = async <T, R>(
  items: readonly T[],
  lanes: number,
  work: (item: T, index: number) => Promise<R>,
): Promise<R[]> => {
  const results: R[] = [];
  const rest = items.entries();
  const lane = async (): Promise<void> => {
    for (const [index, item] of rest) results[index] = await work(item, index);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return results;
};
