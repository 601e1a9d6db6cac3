import { describe, expect, test } from "bun:test";
import { createHmac, createSecretKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { SignJWT } from "jose";
import type { AccountId } from "../../shards/domain/brands.ts";
import type { Clock } from "../../shards/process/clock.ts";
import { loadKeys } from "./keys.ts";
import { signToken } from "./sign.ts";
import { createTokenVerifier, type TokenVerifier, type TokenVerifierOptions } from "./verifier.ts";

const NOW_S = 1_790_000_000;
const SECRET = "a secret of the tests, 32 bytes+";
const hmacKey = (secret: string): KeyObject => createSecretKey(Buffer.from(secret));
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const rsaNext = generateKeyPairSync("rsa", { modulusLength: 2048 });
const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" });
const ed25519 = generateKeyPairSync("ed25519");
const stranger = generateKeyPairSync("ed25519");
const pemOf = ({ publicKey }: { publicKey: KeyObject }): string =>
  publicKey.export({ type: "spki", format: "pem" }).toString();
const JWKS = JSON.stringify({
  keys: [
    { ...rsa.publicKey.export({ format: "jwk" }), kid: "old" },
    { ...rsaNext.publicKey.export({ format: "jwk" }), kid: "new" },
  ],
});

class TestClock implements Clock {
  ms = NOW_S * 1000;
  now = (): number => this.ms;
  monotonicMs = (): number => this.ms;
}

const verifierWith = async (
  source: Parameters<typeof loadKeys>[0],
  options: Partial<TokenVerifierOptions> = {},
): Promise<TokenVerifier> =>
  createTokenVerifier({ keys: await loadKeys(source), clock: new TestClock(), ...options });

const claims = { sub: "42", scope: "read trade", exp: NOW_S + 60 };
const signed = (payload: object, key: KeyObject, alg: string, kid?: string): Promise<string> =>
  new SignJWT({ ...payload })
    .setProtectedHeader(kid === undefined ? { alg } : { alg, kid })
    .sign(key);
const hs256 = (payload: object): Promise<string> => signed(payload, hmacKey(SECRET), "HS256");

const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
/** A token put together by hand, as an attacker would. */
const forged = (header: object, sign: (text: string) => string): string => {
  const text = `${encoded(header)}.${encoded(claims)}`;
  return `${text}.${sign(text)}`;
};

describe("the signature", () => {
  test.each<[string, Parameters<typeof loadKeys>[0], () => Promise<string>, boolean]>([
    ["HS256 with the secret", { secret: SECRET }, () => hs256(claims), true],
    [
      "HS256 with another",
      { secret: "another secret of 32 bytes, yes." },
      () => hs256(claims),
      false,
    ],
    ["RS256", { keys: pemOf(rsa) }, () => signed(claims, rsa.privateKey, "RS256"), true],
    ["ES256", { keys: pemOf(p256) }, () => signed(claims, p256.privateKey, "ES256"), true],
    ["EdDSA", { keys: pemOf(ed25519) }, () => signed(claims, ed25519.privateKey, "EdDSA"), true],
    [
      "EdDSA of a stranger",
      { keys: pemOf(ed25519) },
      () => signed(claims, stranger.privateKey, "EdDSA"),
      false,
    ],
    [
      "the second of two PEM",
      { keys: pemOf(rsa) + pemOf(rsaNext) },
      () => signed(claims, rsaNext.privateKey, "RS256"),
      true,
    ],
    [
      "a kid that no PEM has",
      { keys: pemOf(rsa) },
      () => signed(claims, rsa.privateKey, "RS256", "any"),
      true,
    ],
    [
      "the old key by its kid",
      { keys: JWKS },
      () => signed(claims, rsa.privateKey, "RS256", "old"),
      true,
    ],
    [
      "the new key by its kid",
      { keys: JWKS },
      () => signed(claims, rsaNext.privateKey, "RS256", "new"),
      true,
    ],
    [
      "a key of the set without a kid",
      { keys: JWKS },
      () => signed(claims, rsaNext.privateKey, "RS256"),
      true,
    ],
    [
      "a key under the other's kid",
      { keys: JWKS },
      () => signed(claims, rsa.privateKey, "RS256", "new"),
      false,
    ],
    [
      "a kid that is not in the set",
      { keys: JWKS },
      () => signed(claims, rsa.privateKey, "RS256", "lost"),
      false,
    ],
    [
      "another algorithm of the same key",
      { keys: pemOf(rsa) },
      () => signed(claims, rsa.privateKey, "PS256"),
      false,
    ],
    [
      "a longer hash with the secret",
      { secret: SECRET },
      () => signed(claims, createSecretKey(Buffer.from(SECRET.repeat(2))), "HS512"),
      false,
    ],
  ])("%s", async (_, source, token, ok) => {
    const verified = await (await verifierWith(source)).verify(await token());
    expect(verified).toMatchObject(ok ? { ok } : { ok, code: "unauthenticated" });
  });

  test.each<[string, string]>([
    ["alg none", forged({ alg: "none" }, () => "")],
    ["alg None", forged({ alg: "None" }, () => "")],
    ["no alg", forged({ typ: "JWT" }, () => "")],
    [
      "a public key as the secret of HS256",
      forged({ alg: "HS256" }, (text) =>
        createHmac("sha256", pemOf(rsa)).update(text).digest("base64url"),
      ),
    ],
    ["no signature", forged({ alg: "RS256" }, () => "")],
    ["a critical header", forged({ alg: "RS256", crit: ["x"], x: 1 }, () => "AAAA")],
    ["text", "a.b.c"],
    ["nothing", ""],
  ])("never %s", async (_, token) => {
    const verifier = await verifierWith({ secret: SECRET, keys: pemOf(rsa) });
    expect(await verifier.verify(token)).toMatchObject({ ok: false, code: "unauthenticated" });
    expect(verifier.cached(token)).toBeUndefined();
  });
});

describe("the claims", () => {
  type Change = Record<string, unknown>;
  const cases: [string, Change, "ok" | "unauthenticated" | "token_expired"][] = [
    ["as they should be", {}, "ok"],
    ["largest account", { sub: "9007199254740991" }, "ok"],
    ["account too large", { sub: "9007199254740992" }, "unauthenticated"],
    ["account zero", { sub: "0" }, "unauthenticated"],
    ["account negative", { sub: "-1" }, "unauthenticated"],
    ["account with a leading zero", { sub: "042" }, "unauthenticated"],
    ["account a fraction", { sub: "4.2" }, "unauthenticated"],
    ["account a name", { sub: "alice" }, "unauthenticated"],
    ["account empty", { sub: "" }, "unauthenticated"],
    ["no account", { sub: undefined }, "unauthenticated"],
    ["account a number", { sub: 42 }, "unauthenticated"],
    ["scope a list", { scope: ["trade"] }, "unauthenticated"],
    ["no scope", { scope: undefined }, "ok"],
    ["expired within the leeway", { exp: NOW_S - 29 }, "ok"],
    ["expired at the leeway", { exp: NOW_S - 30 }, "token_expired"],
    ["expired long ago", { exp: 1 }, "token_expired"],
    ["no exp", { exp: undefined }, "unauthenticated"],
    ["exp as text", { exp: String(NOW_S + 60) }, "unauthenticated"],
    ["not yet valid, within the leeway", { nbf: NOW_S + 30 }, "ok"],
    ["not yet valid", { nbf: NOW_S + 31 }, "unauthenticated"],
  ];
  test.each(cases)("%s", async (_, change, expected) => {
    const token = await hs256({ ...claims, ...change });
    const verified = await (await verifierWith({ secret: SECRET })).verify(token);
    expect(verified.ok ? "ok" : verified.code).toBe(expected);
  });

  test.each<[string, Change, boolean]>([
    ["both right", { iss: "us", aud: "sluice" }, true],
    ["one of several audiences", { iss: "us", aud: ["x", "sluice"] }, true],
    ["another issuer", { iss: "them", aud: "sluice" }, false],
    ["another audience", { iss: "us", aud: "x" }, false],
    ["neither", {}, false],
  ])("issuer and audience when configured: %s", async (_, change, ok) => {
    const options = { issuer: "us", audience: "sluice" };
    const verifier = await verifierWith({ secret: SECRET }, options);
    expect((await verifier.verify(await hs256({ ...claims, ...change }))).ok).toBe(ok);
  });

  test.each<[string, string[]]>([
    ["read trade", ["read", "trade"]],
    ["admin", ["admin"]],
    ["trade  read openid trader", ["read", "trade"]],
    ["", []],
  ])("scope %j", async (scope, expected) => {
    const verified = await (await verifierWith({ secret: SECRET })).verify(
      await hs256({ ...claims, scope }),
    );
    const scopes: string[] = verified.ok ? [...verified.identity.scopes] : ["refused"];
    expect(scopes.sort()).toEqual(expected);
  });
});

describe("a verified token", () => {
  test("is remembered for a minute", async () => {
    const clock = new TestClock();
    const verifier = await verifierWith({ secret: SECRET }, { clock });
    const token = await hs256({ ...claims, exp: NOW_S + 3600 });
    expect(verifier.cached(token)).toBeUndefined();
    await verifier.verify(token);
    clock.ms += 59_999;
    expect(verifier.cached(token)?.accountId).toBe(42 as AccountId);
    clock.ms += 1;
    expect(verifier.cached(token)).toBeUndefined();
  });

  test("is never remembered past its exp, nor within the leeway after it", async () => {
    const clock = new TestClock();
    const verifier = await verifierWith({ secret: SECRET }, { clock });
    const token = await hs256({ ...claims, exp: NOW_S + 10 });
    await verifier.verify(token);
    clock.ms += 9_999;
    expect(verifier.cached(token)).toBeDefined();
    clock.ms += 1;
    expect(verifier.cached(token)).toBeUndefined();
    expect((await verifier.verify(token)).ok).toBe(true);
    expect(verifier.cached(token)).toBeUndefined();
  });

  test("is remembered with its keys: other keys know nothing of it", async () => {
    const token = await hs256(claims);
    await (await verifierWith({ secret: SECRET })).verify(token);
    const rotated = await verifierWith({ secret: "another secret of 32 bytes, yes." });
    expect(rotated.cached(token)).toBeUndefined();
  });
});

test("a signed token is accepted with what it was signed for, until its end", async () => {
  const clock = new TestClock();
  const verifier = await verifierWith(
    { secret: SECRET },
    { clock, issuer: "us", audience: "sluice" },
  );
  const token = await signToken(SECRET, {
    accountId: 7 as AccountId,
    scopes: ["trade", "admin"],
    ttlMs: 90_000,
    clock,
    issuer: "us",
    audience: "sluice",
  });
  const verified = await verifier.verify(token);
  expect(verified).toMatchObject({ ok: true, identity: { accountId: 7 as AccountId } });
  expect(verified.ok && [...verified.identity.scopes].sort()).toEqual(["admin", "trade"]);
  clock.ms += 120_000;
  expect(await verifier.verify(token)).toMatchObject({ ok: false, code: "token_expired" });
});
