/**
 * What makes cached reads of an account wrong, as keys in Redis: a version for each account and a
 * generation over all of them. A copy is good only under the version and the generation that stood
 * before it was read from central, so a commit that comes between cannot be hidden by it.
 */
import type { Redis } from "ioredis";
import { randomId } from "../../shards/process/ids.ts";

/** How long a copy may be used after its read of central began, in seconds. */
export const CACHE_TTL_SECONDS = 300;

/**
 * A version may go when no copy is left that was read before it: were there one, the account's
 * missing version would make it good again.
 */
const VERSION_TTL_SECONDS = 2 * CACHE_TTL_SECONDS;

/** The number is the form of what lies below; another form takes another number. */
const PREFIX = "sluice:history:1";
const GENERATION = `${PREFIX}:generation`;

const versionKey = (accountId: number): string => `${PREFIX}:version:${accountId}`;

export const copyKey = (accountId: number, question: string): string =>
  `${PREFIX}:copy:${accountId}:${question}`;

/** The account's standing now, and the copy under `key` if there is one; one round trip. */
export const readStanding = async (
  client: Redis,
  accountId: number,
  key: string,
): Promise<{ readonly standing: string; readonly copy: string | null }> => {
  const [generation, version, copy] = await client.mget(GENERATION, versionKey(accountId), key);
  return { standing: `${generation ?? ""}/${version ?? ""}`, copy: copy ?? null };
};

/** ARGV: the version, its seconds. One command however many accounts. */
const SET_ALL = `for _, key in ipairs(KEYS) do
  redis.call("SET", key, ARGV[1], "EX", ARGV[2])
end`;

/** Makes every copy of these accounts wrong. */
export const changeVersions = async (
  client: Redis,
  accountIds: readonly number[],
): Promise<void> => {
  const keys = accountIds.map(versionKey);
  await client.eval(SET_ALL, keys.length, ...keys, randomId(), VERSION_TTL_SECONDS);
};

/** Makes every copy of every account wrong. */
export const changeGeneration = async (client: Redis): Promise<void> => {
  await client.set(GENERATION, randomId());
};
