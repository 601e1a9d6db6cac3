import { expect, test } from "bun:test";
import { startOffset } from "./start-offset.ts";

const range = { low: 10n, high: 20n };

test.each([
  ["without a position", null, 10n, null],
  ["at the oldest record", 10n, 10n, null],
  ["in between", 15n, 15n, null],
  ["at the end", 20n, 20n, null],
  ["before the oldest record", 9n, 10n, "records 9 to 9 are gone from the topic, unread"],
  [
    "beyond the end",
    21n,
    10n,
    "the topic ends at 20, central has read up to 21: it was made anew or has lost its end; " +
      "it is read again from its beginning",
  ],
])("a partition is read from the right place %s", (_, position, offset, finding) => {
  expect(startOffset(position, range)).toEqual({ offset, finding });
});
