/** Sizes and durations as a person reads them. */

const SIZES = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** `1.5 GiB`. */
export const sizeText = (bytes: number): string => {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < SIZES.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${SIZES[unit]}`;
};

const DURATIONS = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "min"],
  [1000, "s"],
] as const;

/** `90 s` is `1.5 min`; below a second in milliseconds. */
export const durationText = (ms: number): string => {
  for (const [unitMs, unit] of DURATIONS) {
    if (ms >= unitMs) return `${(ms / unitMs).toFixed(1).replace(/\.0$/, "")} ${unit}`;
  }
  return `${Math.round(ms)} ms`;
};
