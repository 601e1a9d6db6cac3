import { describe, expect, test } from "bun:test";
import { type CryptoKey, exportJWK, exportPKCS8, exportSPKI, generateKeyPair, SignJWT } from "jose";
import { limitOrder, signToken } from "../support/contract-client.ts";
import { startedOnce } from "../support/contract-fixture.ts";
import { JWT_SECRET } from "../support/contract-system.ts";

const ISSUER = "https://issuer.example";
const AUDIENCE = "sluice";
const ALGORITHMS = ["RS256", "ES256", "EdDSA"] as const;

type Algorithm = (typeof ALGORITHMS)[number];
interface Pair {
  readonly publicKey: CryptoKey;
  readonly privateKey: CryptoKey;
}
const pairs = new Map<Algorithm, Pair>();
const pairOf = (algorithm: Algorithm): Pair => {
  const pair = pairs.get(algorithm);
  if (pair === undefined) throw new Error(`no key for ${algorithm}`);
  return pair;
};

/** The secret and one key of each kind side by side, as in a rotation. */
const running = startedOnce(async () => {
  for (const algorithm of ALGORITHMS) {
    pairs.set(algorithm, await generateKeyPair(algorithm, { extractable: true }));
  }
  const keys = ALGORITHMS.map(async (algorithm) => ({
    ...(await exportJWK(pairOf(algorithm).publicKey)),
    kid: `of-${algorithm}`,
  }));
  return {
    SLUICE_JWT_KEYS: JSON.stringify({ keys: await Promise.all(keys) }),
    SLUICE_JWT_ISSUER: ISSUER,
    SLUICE_JWT_AUDIENCE: AUDIENCE,
  };
});

type Claims = Readonly<Record<string, unknown>>;
const good: Claims = { sub: "42", iss: ISSUER, aud: AUDIENCE, scope: "read trade admin" };
const inSeconds = (seconds: number): number => Math.floor(Date.now() / 1000) + seconds;

const signedBy = (
  algorithm: Algorithm,
  { kid, key = pairOf(algorithm).privateKey }: { kid?: string; key?: CryptoKey } = {},
): Promise<string> =>
  new SignJWT({ ...good, exp: inSeconds(60) })
    .setProtectedHeader({ alg: algorithm, ...(kid === undefined ? {} : { kid }) })
    .sign(key);

const base64url = (value: unknown): string =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

const ask = (authorization: string | undefined, path = "/v1/orders/1") =>
  running.client.send("GET", path, {
    account: null,
    ...(authorization === undefined ? {} : { headers: { Authorization: authorization } }),
  });

/** A request behind the authentication: there is no such order. */
const expectTaken = async (token: string): Promise<void> => {
  const answer = await ask(`Bearer ${token}`);
  expect([answer.status, answer.json.code]).toEqual([404, "order_not_found"]);
};
const expectRefused = async (authorization: string | undefined, code = "unauthenticated") => {
  const answer = await ask(authorization);
  expect([answer.status, answer.json.code]).toEqual([401, code]);
  expect(answer.headers.get("www-authenticate")).toStartWith('Bearer realm="sluice"');
  return answer;
};

describe("a token that is taken", () => {
  test("is one of the secret", async () => {
    await expectTaken(await signToken(good));
  });

  test.each(ALGORITHMS.map((algorithm) => [algorithm]))(
    "is one of the %s key, with its kid and without",
    async (algorithm) => {
      await expectTaken(await signedBy(algorithm));
      await expectTaken(await signedBy(algorithm, { kid: `of-${algorithm}` }));
    },
  );

  test.each([
    ["past its exp by less than the leeway", { exp: -20 }, {}],
    ["valid from a moment to come, within the leeway", { nbf: 20 }, {}],
    ["for several audiences", {}, { aud: ["other", AUDIENCE] }],
    ["with scopes of others beside ours", {}, { scope: "openid read profile" }],
    ["of the largest account", {}, { sub: String(Number.MAX_SAFE_INTEGER) }],
  ] as const)("is one %s", async (_, times: Readonly<Record<string, number>>, claims: Claims) => {
    const at = Object.fromEntries(
      Object.entries(times).map(([name, seconds]) => [name, inSeconds(seconds)]),
    );
    await expectTaken(await signToken({ ...good, ...claims, ...at }));
  });

  test("may come in the header with any case and more blanks", async () => {
    const token = await signToken(good);
    for (const header of [`bearer ${token}`, `BEARER   ${token}`, `Bearer ${token}  `]) {
      const { status, json } = await ask(header);
      expect([status, json.code]).toEqual([404, "order_not_found"]);
    }
  });
});

describe("a request without a good token is 401", () => {
  test.each([
    undefined,
    "",
    "Bearer",
    "Bearer ",
    "Basic NDI6eA==",
    "Token x",
    "Bearer x",
    "Bearer x.y.z",
    "Bearer a b",
    `Bearer ${"x".repeat(8000)}`,
    "Bearer ü",
  ])("(Authorization: %p)", async (header) => {
    await expectRefused(header);
  });

  test.each<[string, Claims]>([
    ["without sub", { sub: undefined }],
    ["with a sub that is a name", { sub: "alice" }],
    ["with sub 0", { sub: "0" }],
    ["with a negative sub", { sub: "-1" }],
    ["with a sub with a leading zero", { sub: "042" }],
    ["with a sub past 2^53", { sub: "9007199254740993" }],
    ["with a number for sub", { sub: 42 }],
    ["with a list for scope", { scope: ["read"] }],
    ["without exp", { exp: undefined }],
    ["with text for exp", { exp: "tomorrow" }],
    ["not valid yet", { nbf: Math.floor(Date.now() / 1000) + 3600 }],
    ["of another issuer", { iss: "https://else.example" }],
    ["without an issuer", { iss: undefined }],
    ["for another audience", { aud: "else" }],
    ["without an audience", { aud: undefined }],
  ])("(a token %s)", async (_, claims) => {
    await expectRefused(`Bearer ${await signToken({ ...good, ...claims })}`);
  });

  test("(a token of another secret)", async () => {
    const token = await signToken(good, { secret: JWT_SECRET.toUpperCase() });
    const { json } = await expectRefused(`Bearer ${token}`);
    expect(json.detail).not.toContain(JWT_SECRET);
  });

  test("(a token whose claims were changed)", async () => {
    const [head, , signature] = (await signToken(good)).split(".");
    const claims = base64url({ ...good, sub: "43", exp: inSeconds(60) });
    await expectRefused(`Bearer ${head}.${claims}.${signature}`);
  });

  test.each(["none", "None", "NONE", "HS384", "HS512", "PS256", ""])("(alg %p)", async (alg) => {
    const claims = base64url({ ...good, exp: inSeconds(60) });
    const [, , signature] = (await signToken(good)).split(".");
    for (const last of ["", signature]) {
      await expectRefused(`Bearer ${base64url({ alg })}.${claims}.${last}`);
    }
  });

  test("(a token signed with the right secret by an algorithm that is not the key's)", async () => {
    const token = await new SignJWT({ ...good, exp: inSeconds(60) })
      .setProtectedHeader({ alg: "HS512" })
      .sign(Buffer.from(JWT_SECRET.repeat(2)));
    await expectRefused(`Bearer ${token}`);
  });

  test("(HS256 with a public key's text as the secret)", async () => {
    for (const algorithm of ALGORITHMS) {
      const pem = await exportSPKI(pairOf(algorithm).publicKey);
      for (const secret of [pem, pem.trim()]) {
        await expectRefused(`Bearer ${await signToken(good, { secret })}`);
      }
    }
  });

  test("(a key that is not ours, or a kid that is none of ours)", async () => {
    for (const algorithm of ALGORITHMS) {
      const { privateKey } = await generateKeyPair(algorithm, { extractable: true });
      expect(await exportPKCS8(privateKey)).toContain("PRIVATE KEY");
      await expectRefused(`Bearer ${await signedBy(algorithm, { key: privateKey })}`);
      await expectRefused(`Bearer ${await signedBy(algorithm, { kid: "of-nobody" })}`);
    }
  });

  test("(past its exp) with token_expired", async () => {
    const token = await signToken(good, { expiresAt: Date.now() - 31_000 });
    await expectRefused(`Bearer ${token}`, "token_expired");
  });

  test("(past its exp, and of another secret) as unauthenticated: expiry is told to owners", async () => {
    const expiresAt = Date.now() - 31_000;
    const token = await signToken(good, { expiresAt, secret: JWT_SECRET.toUpperCase() });
    await expectRefused(`Bearer ${token}`);
  });

  test("and is told the scheme; only a token that was shown is called invalid", async () => {
    const none = await expectRefused(undefined);
    expect(none.headers.get("www-authenticate")).toBe('Bearer realm="sluice"');
    const bad = await expectRefused("Bearer x");
    expect(bad.headers.get("www-authenticate")).toContain('error="invalid_token"');
  });
});

describe("a token without the scope", () => {
  const needs = [
    ["read", "GET", "/v1/orders"],
    ["read", "GET", "/v1/orders?status=open"],
    ["read", "GET", "/v1/orders/1"],
    ["read", "GET", "/v1/instruments"],
    ["trade", "POST", "/v1/orders"],
    ["trade", "POST", "/v1/orders/batch"],
    ["trade", "PATCH", "/v1/orders/1"],
    ["trade", "DELETE", "/v1/orders/1"],
    ["trade", "DELETE", "/v1/orders"],
    ["admin", "GET", "/admin/v1/shards"],
  ] as const;

  test.each(needs)("%s is 403 scope_missing for %s %s", async (scope, method, path) => {
    const others = ["read", "trade", "admin"].filter((one) => one !== scope);
    for (const scopes of [others.join(" "), "", "reader traders", scope.toUpperCase()]) {
      const token = await signToken({ ...good, scope: scopes });
      const { status, json, headers } = await running.client.send(method, path, { token });
      expect([status, json.code]).toEqual([403, "scope_missing"]);
      expect(headers.get("www-authenticate")).toBe(
        `Bearer realm="sluice", error="insufficient_scope", scope="${scope}"`,
      );
    }
    const token = await signToken({ ...good, scope });
    const body = method === "POST" || method === "PATCH" ? { json: {} } : {};
    const { status } = await running.client.send(method, path, { token, ...body });
    expect([200, 400, 404]).toContain(status);
    const none = await running.client.send(method, path, { account: null });
    expect([none.status, none.json.code]).toEqual([401, "unauthenticated"]);
  });

  test.each(["/v1/time", "/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"])(
    "is not asked for at %s, nor is any token",
    async (path) => {
      for (const options of [{ account: null }, { token: "x" }]) {
        expect((await running.client.send("GET", path, options)).status).toBe(200);
      }
    },
  );

  test("says whose the order is", async () => {
    const token = await signToken({ ...good, sub: "4711" });
    const order = await running.client.accepted(limitOrder(), { token });
    expect(order.accountId).toBe("4711");
  });
});
