import { UsageError } from "../../shards/process/failure.ts";

/**
 * Ports that stay ours over restarts are taken below the range that the kernel gives to outgoing
 * connections (32768 … on Linux, 49152 … elsewhere): else a client that connects again and again
 * while the child is down can be given that very port as its own, and the child could not come back.
 */
const LOWEST = 20_000;
const HIGHEST = 32_767;
const ATTEMPTS_MAX = 200;

/** `count` different ports on loopback that nobody listens on. */
export const pickPorts = (count: number, random: () => number = Math.random): readonly number[] => {
  const ports = new Set<number>();
  for (let attempt = 0; attempt < ATTEMPTS_MAX && ports.size < count; attempt += 1) {
    const port = LOWEST + Math.floor(random() * (HIGHEST - LOWEST + 1));
    if (isFree(port)) ports.add(port);
  }
  if (ports.size < count) {
    throw new UsageError(`no free ports between ${LOWEST} and ${HIGHEST}: end what uses them.`);
  }
  return [...ports];
};

const isFree = (port: number): boolean => {
  try {
    Bun.listen({ hostname: "127.0.0.1", port, socket: { data: () => {} } }).stop(true);
    return true;
  } catch {
    return false;
  }
};
