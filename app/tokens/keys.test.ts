import { describe, expect, test } from "bun:test";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { UsageError } from "../../shards/process/failure.ts";
import { loadKeys } from "./keys.ts";

const pemOf = (key: KeyObject): string => key.export({ type: "spki", format: "pem" }).toString();
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" });
const ed25519 = generateKeyPairSync("ed25519");
const jwks = (...keys: object[]): string => JSON.stringify({ keys });
const jwk = (pair: { publicKey: KeyObject }, more: object = {}): object => ({
  ...pair.publicKey.export({ format: "jwk" }),
  ...more,
});
const SECRET = "s".repeat(32);

describe("keys that can be used", () => {
  test.each<[string, Parameters<typeof loadKeys>[0], [string, string | undefined][]]>([
    ["a secret of 32 bytes", { secret: SECRET }, [["HS256", undefined]]],
    ["a secret of 16 characters in 32 bytes", { secret: "é".repeat(16) }, [["HS256", undefined]]],
    ["an RSA PEM", { keys: pemOf(rsa.publicKey) }, [["RS256", undefined]]],
    ["a P-256 PEM", { keys: pemOf(p256.publicKey) }, [["ES256", undefined]]],
    ["an Ed25519 PEM", { keys: pemOf(ed25519.publicKey) }, [["EdDSA", undefined]]],
    [
      "several PEM after each other",
      { keys: `\n${pemOf(rsa.publicKey)}\n${pemOf(ed25519.publicKey)}` },
      [
        ["RS256", undefined],
        ["EdDSA", undefined],
      ],
    ],
    [
      "a JWKS",
      { keys: jwks(jwk(rsa, { kid: "a", alg: "RS256", use: "sig" }), jwk(p256, { kid: "b" })) },
      [
        ["RS256", "a"],
        ["ES256", "b"],
      ],
    ],
    [
      "a secret beside keys",
      { secret: SECRET, keys: pemOf(p256.publicKey) },
      [
        ["HS256", undefined],
        ["ES256", undefined],
      ],
    ],
  ])("%s", async (_, source, expected) => {
    const keys = await loadKeys(source);
    expect(
      keys.map(({ algorithm, kid }): [string, string | undefined] => [algorithm, kid]),
    ).toEqual(expected);
  });
});

describe("keys that cannot be used stop the start with a sentence that names the setting", () => {
  const small = generateKeyPairSync("rsa", { modulusLength: 1024 });
  const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" });
  const x25519 = generateKeyPairSync("x25519");
  const privatePem = p256.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  test.each<[string, Parameters<typeof loadKeys>[0], RegExp]>([
    ["none", {}, /SLUICE_JWT_SECRET.*SLUICE_JWT_KEYS/],
    ["an empty secret", { secret: "" }, /SLUICE_JWT_SECRET has 0 bytes/],
    ["a short secret", { secret: "s".repeat(31) }, /SLUICE_JWT_SECRET has 31 bytes: give it 32/],
    ["empty keys", { keys: " " }, /SLUICE_JWT_KEYS.*neither PEM/],
    ["other text", { keys: "ssh-ed25519 AAAA" }, /SLUICE_JWT_KEYS.*neither PEM/],
    ["a private PEM", { keys: privatePem }, /SLUICE_JWT_KEYS.*PRIVATE KEY/],
    [
      "a damaged PEM",
      { keys: "-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----" },
      /SLUICE_JWT_KEYS: PEM block 1 cannot be read/,
    ],
    [
      "text after a PEM",
      { keys: `${pemOf(rsa.publicKey)}-----BEGIN PUBLIC KEY-----` },
      /SLUICE_JWT_KEYS.*neither PEM/,
    ],
    ["a small RSA key", { keys: pemOf(small.publicKey) }, /SLUICE_JWT_KEYS.*1024 bits/],
    ["another curve", { keys: pemOf(p384.publicKey) }, /SLUICE_JWT_KEYS.*P-384/],
    ["a key that cannot sign", { keys: pemOf(x25519.publicKey) }, /SLUICE_JWT_KEYS.*x25519/],
    ["broken JSON", { keys: "{" }, /SLUICE_JWT_KEYS.*not JSON/],
    ["an empty JWKS", { keys: jwks() }, /SLUICE_JWT_KEYS.*no "keys"/],
    ["a JWKS of text", { keys: '{"keys":["a"]}' }, /SLUICE_JWT_KEYS.*not an object/],
    ["a secret in a JWKS", { keys: jwks({ kty: "oct", k: "AAAA" }) }, /SLUICE_JWT_SECRET/],
    [
      "a private JWK",
      { keys: jwks(ed25519.privateKey.export({ format: "jwk" })) },
      /SLUICE_JWT_KEYS.*private/,
    ],
    ["a key to encrypt with", { keys: jwks(jwk(rsa, { use: "enc" })) }, /SLUICE_JWT_KEYS.*"use"/],
    ["an alg of another kind", { keys: jwks(jwk(rsa, { alg: "ES256" })) }, /"alg" "ES256".*RS256/],
    ["alg HS256 on a public key", { keys: jwks(jwk(rsa, { alg: "HS256" })) }, /"alg" "HS256"/],
    ["a kid not text", { keys: jwks(jwk(rsa, { kid: 1 })) }, /SLUICE_JWT_KEYS.*"kid"/],
    [
      "one kid for two keys",
      { keys: jwks(jwk(rsa, { kid: "a" }), jwk(p256, { kid: "a" })) },
      /SLUICE_JWT_KEYS: kid a is given twice/,
    ],
    ["a key twice", { keys: pemOf(rsa.publicKey).repeat(2) }, /SLUICE_JWT_KEYS.*given twice/],
  ])("%s", async (_, source, sentence) => {
    const error: unknown = await loadKeys(source).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(UsageError);
    expect((error as UsageError).message).toMatch(sentence);
  });
});
