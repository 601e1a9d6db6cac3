import { reasonOf } from "../../../shards/process/failure.ts";
import type { Gathered } from "../facts.ts";

/** What a source gives, or why not; never later than `msMax`, and never an exception. */
export const within = async <T>(
  who: string,
  msMax: number,
  ask: () => Promise<T>,
): Promise<Gathered<T>> => {
  const late = Promise.withResolvers<Gathered<T>>();
  const reason = `${who} does not answer within ${msMax / 1000} s`;
  const timer = setTimeout(() => late.resolve({ ok: false, reason }), msMax);
  const asked = ask().then(
    (value): Gathered<T> => ({ ok: true, value }),
    (error: unknown): Gathered<T> => ({ ok: false, reason: sentenceOf(who, error) }),
  );
  return Promise.race([asked, late.promise]).finally(() => clearTimeout(timer));
};

/** Without the full stop, and with the name where the error itself does not say it. */
const sentenceOf = (who: string, error: unknown): string =>
  `${who}: ${reasonOf(error).replace(/\.$/, "")}`;
