/**
 * Waits for `work`, `msMax` at most: whether it ended by then. What takes longer goes on unwatched.
 * Rejects as `work` does until then.
 */
export const endsWithin = async (msMax: number, work: Promise<unknown>): Promise<boolean> => {
  const timeUp = Promise.withResolvers<false>();
  const limit = setTimeout(timeUp.resolve, msMax, false);
  try {
    return await Promise.race([work.then(() => true), timeUp.promise]);
  } finally {
    clearTimeout(limit);
  }
};
