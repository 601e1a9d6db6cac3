import { describe, expect, test } from "bun:test";
import { loadConfig } from "../config.ts";
import { type DevArguments, drainTimeMsMaxOf, planTree } from "./dev.ts";

const SECRET = "0123456789abcdef0123456789abcdef";
const CLUSTER_SECRET = "cluster-cluster-cluster-cluster-";

const childrenOf = (
  environment: Record<string, string> = {},
  devSecret?: string,
  args: DevArguments = { newEpoch: [], match: true },
) => planTree(loadConfig({}, environment), args, devSecret).drainGroups.flat();

describe("dev's children", () => {
  test("share a cluster secret that each start makes anew", () => {
    const secretsOf = () => childrenOf().map((child) => child.environment.SLUICE_CLUSTER_SECRET);
    const [first = "", ...others] = secretsOf();
    expect(Buffer.byteLength(first)).toBeGreaterThanOrEqual(32);
    expect(new Set(others)).toEqual(new Set([first]));
    expect(secretsOf()).not.toContain(first);
  });

  test("have the configured cluster secret when there is one", () => {
    for (const child of childrenOf({ SLUICE_CLUSTER_SECRET: CLUSTER_SECRET })) {
      expect(child.environment.SLUICE_CLUSTER_SECRET).toBe(CLUSTER_SECRET);
    }
  });

  test.each<[string, Record<string, string>, string | undefined]>([
    ["configured", { SLUICE_JWT_SECRET: SECRET, SLUICE_JWT_KEYS: "keys.pem" }, undefined],
    ["dev's own", {}, SECRET],
  ])("get what they sign or verify tokens with, and no more (%s)", (_, environment, devSecret) => {
    for (const child of childrenOf(environment, devSecret)) {
      const { SLUICE_JWT_SECRET: secret, SLUICE_JWT_KEYS: keys } = child.environment;
      expect(secret).toBe(["api", "match"].includes(child.name) ? SECRET : undefined);
      expect(keys).toBe(child.name === "api" ? environment.SLUICE_JWT_KEYS : undefined);
    }
  });

  test.each<[string, Record<string, string>, boolean, boolean]>([
    ["by itself", {}, true, true],
    ["not with --no-match", {}, false, false],
    ["not when the shards have the last word", { SLUICE_VENUE: "none" }, true, false],
    ["not without a secret to sign with", { SLUICE_JWT_KEYS: "keys.pem" }, true, false],
  ])("have a paper matching engine %s", (_, environment, match, expected) => {
    const children = childrenOf(environment, undefined, { newEpoch: [], match });
    expect(children.some(({ name }) => name === "match")).toBe(expected);
  });

  test("have no secret on their command line", () => {
    const given = { SLUICE_JWT_SECRET: SECRET, SLUICE_CLUSTER_SECRET: CLUSTER_SECRET };
    for (const { command, firstStartArguments = [] } of childrenOf(given)) {
      const line = [...command, ...firstStartArguments].join(" ");
      expect(line).not.toContain(SECRET);
      expect(line).not.toContain(CLUSTER_SECRET);
    }
  });
});

test.each([
  ["5s", 10_000],
  ["60s", 65_000],
])("with a request deadline of %s a child may drain for %d ms", (deadline, drainMs) => {
  const { config } = loadConfig({}, { SLUICE_REQUEST_DEADLINE: deadline });
  expect(drainTimeMsMaxOf(config)).toBe(drainMs);
});
