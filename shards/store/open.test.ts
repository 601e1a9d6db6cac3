import { expect, test } from "bun:test";
import { UsageError } from "../process/failure.ts";
import { requireSqliteVersion } from "./open.ts";

test.each([
  ["3.51.3", true],
  ["3.51.10", true],
  ["3.53.4", true],
  ["4.0.0", true],
  ["3.51.2", false],
  ["3.50.9", false],
  ["2.99.99", false],
])("SQLite %s is new enough: %p", (version, isEnough) => {
  const check = () => requireSqliteVersion(version);
  if (isEnough) expect(check).not.toThrow();
  else expect(check).toThrow(UsageError);
});
