/**
 * The keys that bearer tokens are verified with. Each key is bound to one algorithm by its own
 * kind, so that no token can choose how it is checked: a public key is never taken for a secret.
 *
 *   secret → HS256 · RSA → RS256 · P-256 → ES256 · Ed25519 → EdDSA
 *
 * Several keys may stand side by side: that is how they rotate.
 */
import { createPublicKey, createSecretKey, type KeyObject } from "node:crypto";
import { calculateJwkThumbprint, type JWK } from "jose";
import { reasonOf, UsageError } from "../../shards/process/failure.ts";

export const SECRET_BYTES_MIN = 32;
const RSA_BITS_MIN = 2048;
const SECRET_SETTING = "SLUICE_JWT_SECRET";
const KEYS_SETTING = "SLUICE_JWT_KEYS";

export type Algorithm = "HS256" | "RS256" | "ES256" | "EdDSA";

export interface VerificationKey {
  readonly algorithm: Algorithm;
  /** undefined: tried for every token of its algorithm. */
  readonly kid: string | undefined;
  readonly key: KeyObject;
}

export interface KeySource {
  /** Text of an HS256 secret, 32 bytes at least. */
  readonly secret?: string | undefined;
  /** PEM (one or several public keys after each other) or a JWKS. */
  readonly keys?: string | undefined;
}

/** Throws {@link UsageError}, which names the setting, when a key cannot be used or none is given. */
export const loadKeys = async (source: KeySource): Promise<readonly VerificationKey[]> => {
  const keys: VerificationKey[] = [];
  if (source.secret !== undefined) keys.push(secretKey(source.secret));
  if (source.keys !== undefined) {
    const text = source.keys.trim();
    keys.push(...(text.startsWith("{") ? keysOfJwks(text) : keysOfPem(text)));
  }
  if (keys.length === 0) {
    throw new UsageError(
      `No key to verify tokens with: set ${SECRET_SETTING} (${SECRET_BYTES_MIN} bytes at least) ` +
        `or ${KEYS_SETTING} (public keys as PEM or JWKS).`,
    );
  }
  await refuseDuplicates(keys);
  return keys;
};

/** The HS256 key of a secret's UTF-8 bytes; also what tokens are signed with. */
export const secretKey = (secret: string): VerificationKey => {
  const bytes = Buffer.from(secret);
  if (bytes.length < SECRET_BYTES_MIN) {
    throw new UsageError(
      `${SECRET_SETTING} has ${bytes.length} bytes: give it ${SECRET_BYTES_MIN} at least.`,
    );
  }
  return { algorithm: "HS256", kid: undefined, key: createSecretKey(bytes) };
};

const unusable = (which: string, why: string): UsageError =>
  new UsageError(`${KEYS_SETTING}: ${which} ${why}.`);

const PEM_BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g;

const keysOfPem = (text: string): VerificationKey[] => {
  const blocks = [...text.matchAll(PEM_BLOCK)];
  if (blocks.length === 0 || text.replace(PEM_BLOCK, "").trim() !== "") {
    throw unusable("the text", "is neither PEM public keys nor a JWKS");
  }
  return blocks.map(([pem, label], index) => {
    const which = `PEM block ${index + 1}`;
    if (label !== "PUBLIC KEY") throw unusable(which, `is a ${label}: give a PUBLIC KEY (SPKI)`);
    return publicKey(which, undefined, () => createPublicKey(pem));
  });
};

const keysOfJwks = (text: string): VerificationKey[] => {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw unusable("the JWKS", `is not JSON (${reasonOf(error)})`);
  }
  const list = (parsed as { keys?: unknown }).keys;
  if (!Array.isArray(list) || list.length === 0) {
    throw unusable("the JWKS", 'has no "keys" with a key in it');
  }
  return list.map((entry: unknown, index) => keyOfJwk(`key ${index + 1} of the JWKS`, entry));
};

const keyOfJwk = (which: string, entry: unknown): VerificationKey => {
  if (typeof entry !== "object" || entry === null) throw unusable(which, "is not an object");
  const { kid, alg, use, kty, d } = entry as Record<string, unknown>;
  if (kid !== undefined && typeof kid !== "string") throw unusable(which, 'has a "kid" not text');
  if (kty === "oct") throw unusable(which, `is a secret: give it as ${SECRET_SETTING}`);
  if (d !== undefined) throw unusable(which, "is a private key: give its public part");
  if (use !== undefined && use !== "sig") throw unusable(which, 'is not for signatures ("use")');
  const key = publicKey(which, kid, () => createPublicKey({ key: entry as JWK, format: "jwk" }));
  if (alg !== undefined && alg !== key.algorithm) {
    throw unusable(which, `says "alg" ${JSON.stringify(alg)} but its kind is ${key.algorithm}`);
  }
  return key;
};

const publicKey = (
  which: string,
  kid: string | undefined,
  read: () => KeyObject,
): VerificationKey => {
  let key: KeyObject;
  try {
    key = read();
  } catch (error) {
    throw unusable(which, `cannot be read (${reasonOf(error)})`);
  }
  return { algorithm: algorithmOf(which, key), kid, key };
};

const algorithmOf = (which: string, key: KeyObject): Algorithm => {
  const { crv } = key.export({ format: "jwk" });
  switch (key.asymmetricKeyType) {
    case "rsa": {
      const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
      if (bits < RSA_BITS_MIN) throw unusable(which, `has ${bits} bits: ${RSA_BITS_MIN} at least`);
      return "RS256";
    }
    case "ec":
      if (crv === "P-256") return "ES256";
      break;
    case "ed25519":
      return "EdDSA";
    default:
  }
  const kind = `${key.asymmetricKeyType ?? "unknown"} ${crv ?? ""}`.trim();
  throw unusable(which, `is of kind ${kind}: use RSA, P-256 or Ed25519`);
};

/** A key given twice, or one kid for two keys, is a mistake in a rotation: better said at once. */
const refuseDuplicates = async (keys: readonly VerificationKey[]): Promise<void> => {
  const kids = new Set<string>();
  const prints = new Set<string>();
  for (const { kid, key } of keys) {
    if (kid !== undefined && kids.has(kid)) throw unusable(`kid ${kid}`, "is given twice");
    if (kid !== undefined) kids.add(kid);
    if (key.type === "secret") continue;
    const print = await calculateJwkThumbprint(key.export({ format: "jwk" }) as JWK);
    if (prints.has(print)) throw unusable(`the key with thumbprint ${print}`, "is given twice");
    prints.add(print);
  }
};
