/** A stream of numbers in [0, 1) that a seed repeats (mulberry32). */
export type Random = () => number;

export const randomOf = (seed: number): Random => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
};

/** A whole number, `from` to `to`, both included. */
export const wholeOf = (random: Random, from: number, to: number): number =>
  from + Math.floor(random() * (to - from + 1));

/** Another seed for each run, printed so that a failure can be repeated. */
export const printedSeed = (what: string): number => {
  const seed = crypto.getRandomValues(new Uint32Array(1))[0] ?? 1;
  console.log(`${what}: seed ${seed}`);
  return seed;
};
