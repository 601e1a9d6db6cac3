/** What every reading of a record's value starts with. */

/** The value says something that central has no place for; `message` says what. */
export class UnreadableRecord extends Error {
  override readonly name = "UnreadableRecord";
}

/** Throws {@link UnreadableRecord}. */
export const parseObject = (value: string): object => {
  let parsed: unknown;
  try {
    parsed = JSON.parse(value);
  } catch (error) {
    throw new UnreadableRecord("the value is not JSON", { cause: error });
  }
  if (typeof parsed !== "object" || parsed === null) {
    throw new UnreadableRecord("the value is not a JSON object");
  }
  return parsed;
};

/** Throws {@link UnreadableRecord}. */
export const expectNumbers = (...values: unknown[]): void => {
  for (const value of values) {
    if (!Number.isSafeInteger(value) || (value as number) < 0) {
      throw new UnreadableRecord(`${String(value)} is not a whole number from 0 to 2^53 - 1`);
    }
  }
};
