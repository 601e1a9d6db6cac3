/** Which partition a record's key belongs to: Kafka's own rule, so that any client computes it. */

const M = 0x5bd1e995;
const SEED = 0x9747b28c;

/** Kafka's murmur2 (org.apache.kafka.common.utils.Utils) over the UTF-8 bytes, made positive. */
export const murmur2 = (text: string): number => {
  const data = Buffer.from(text);
  const length = data.length;
  let h = SEED ^ length;
  let i = 0;
  for (; i + 4 <= length; i += 4) {
    let k = Math.imul(data.readInt32LE(i), M);
    k = Math.imul(k ^ (k >>> 24), M);
    h = Math.imul(h, M) ^ k;
  }
  const rest = length - i;
  if (rest === 3) h ^= (data[i + 2] ?? 0) << 16;
  if (rest >= 2) h ^= (data[i + 1] ?? 0) << 8;
  if (rest >= 1) h = Math.imul(h ^ (data[i] ?? 0), M);
  h = Math.imul(h ^ (h >>> 13), M);
  return ((h ^ (h >>> 15)) & 0x7fffffff) >>> 0;
};

export const partitionOf = (key: string, partitionCount: number): number =>
  murmur2(key) % partitionCount;
