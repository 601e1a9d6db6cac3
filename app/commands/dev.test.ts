import { describe, expect, test } from "bun:test";
import { loadConfig } from "../config.ts";
import { drainTimeMsMaxOf, planTree } from "./dev.ts";

const SECRET = "0123456789abcdef0123456789abcdef";
const CLUSTER_SECRET = "cluster-cluster-cluster-cluster-";

const childrenOf = (environment: Record<string, string> = {}, devSecret?: string) =>
  planTree(loadConfig({}, environment), { newEpoch: [] }, devSecret).drainGroups.flat();

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
  ])("get what tokens are verified with in the api only (%s)", (_whose, environment, devSecret) => {
    for (const child of childrenOf(environment, devSecret)) {
      const { SLUICE_JWT_SECRET: secret, SLUICE_JWT_KEYS: keys } = child.environment;
      const isApi = child.name === "api";
      expect(secret).toBe(isApi ? SECRET : undefined);
      expect(keys).toBe(isApi ? environment.SLUICE_JWT_KEYS : undefined);
    }
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
