/** Where to read a partition from. Pure. */
import type { OffsetRange } from "./topic-admin.ts";

export interface Start {
  readonly offset: bigint;
  /** What is wrong, as a sentence; null when nothing is. */
  readonly finding: string | null;
}

/**
 * `position` is central's; null when it has none. Central that was put back from a backup has an
 * older position and so reads again what it lost.
 *
 *   position             start     because
 *   none                 low       everything is new
 *   low to high          position
 *   below low            low       retention took what was not read; the chain shows what is missing
 *   above high           low       the topic is another, or lost its end: what is known is dropped
 *                                  by its chain, and starting at the end could miss the new one's
 *                                  beginning
 */
export const startOffset = (position: bigint | null, { low, high }: OffsetRange): Start => {
  if (position === null) return { offset: low, finding: null };
  if (position < low) {
    const finding = `records ${position} to ${low - 1n} are gone from the topic, unread`;
    return { offset: low, finding };
  }
  if (position > high) {
    const finding =
      `the topic ends at ${high}, central has read up to ${position}: it was made anew or has ` +
      "lost its end; it is read again from its beginning";
    return { offset: low, finding };
  }
  return { offset: position, finding: null };
};
