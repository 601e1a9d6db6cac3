/**
 * Bearer token → who calls and what they may do. A verified token is remembered with its keys for
 * a minute at most, never past `exp`: signatures cost 60 µs and more, a look-up a tenth of one.
 */
import { decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from "jose";
import type { AccountId } from "../../shards/domain/brands.ts";
import type { Clock } from "../../shards/process/clock.ts";
import type { VerificationKey } from "./keys.ts";
import { TokenCache } from "./token-cache.ts";

export const SCOPES = ["read", "trade", "admin"] as const;
export type Scope = (typeof SCOPES)[number];

export interface Identity {
  readonly accountId: AccountId;
  readonly scopes: ReadonlySet<Scope>;
}

/** `detail` is a sentence for the client; it says nothing of the keys. */
export type Verification =
  | { readonly ok: true; readonly identity: Identity }
  | {
      readonly ok: false;
      readonly code: "unauthenticated" | "token_expired";
      readonly detail: string;
    };

export interface TokenVerifier {
  /** The identity of a token verified less than a minute ago; synchronous, for the hot path. */
  cached(token: string): Identity | undefined;
  verify(token: string): Promise<Verification>;
}

export interface TokenVerifierOptions {
  readonly keys: readonly VerificationKey[];
  readonly clock: Clock;
  /** `iss` and `aud` are checked when given. */
  readonly issuer?: string | undefined;
  readonly audience?: string | undefined;
}

const LEEWAY_S = 30;
const TOKENS_MAX = 50_000;
const ACCOUNT_ID = /^[1-9]\d{0,15}$/;

export const createTokenVerifier = (options: TokenVerifierOptions): TokenVerifier => {
  const cache = new TokenCache<Identity>(options.clock, TOKENS_MAX);

  const verify = async (token: string): Promise<Verification> => {
    const checked = await checkSignature(token, options);
    if (!checked.ok) return checked;
    const identity = identityOf(checked.payload);
    if (identity === undefined) {
      return refused("The token's sub must be an account id and its scope text.");
    }
    cache.set(token, identity, (checked.payload.exp ?? 0) * 1000);
    return { ok: true, identity };
  };

  return { cached: (token) => cache.get(token), verify };
};

const refused = (detail: string): Verification & { readonly ok: false } => ({
  ok: false,
  code: "unauthenticated",
  detail,
});

type Checked = { readonly ok: true; readonly payload: JWTPayload } | (Verification & { ok: false });

const checkSignature = async (token: string, options: TokenVerifierOptions): Promise<Checked> => {
  const { keys, clock, issuer, audience } = options;
  for (const { key, algorithm } of candidates(token, keys)) {
    try {
      const { payload } = await jwtVerify(token, key, {
        algorithms: [algorithm],
        requiredClaims: ["exp", "sub"],
        clockTolerance: LEEWAY_S,
        currentDate: new Date(clock.now()),
        ...(issuer === undefined ? {} : { issuer }),
        ...(audience === undefined ? {} : { audience }),
      });
      return { ok: true, payload };
    } catch (error) {
      if (error instanceof errors.JWSSignatureVerificationFailed) continue;
      if (error instanceof errors.JWTExpired) {
        return { ok: false, code: "token_expired", detail: "The token's exp has passed." };
      }
      if (error instanceof errors.JWTClaimValidationFailed) {
        return refused(`The token's ${error.claim} is missing or not accepted.`);
      }
      if (error instanceof errors.JOSEError) return refused("The token cannot be read.");
      throw error;
    }
  }
  return refused("The token is not signed by a key that is accepted here.");
};

/** A token's header only narrows the choice: the algorithm is always the key's own. */
const candidates = (
  token: string,
  keys: readonly VerificationKey[],
): readonly VerificationKey[] => {
  let header: ReturnType<typeof decodeProtectedHeader>;
  try {
    header = decodeProtectedHeader(token);
  } catch {
    return [];
  }
  const { alg, kid } = header;
  return keys.filter(
    (key) =>
      key.algorithm === alg && (kid === undefined || key.kid === undefined || key.kid === kid),
  );
};

const identityOf = ({ sub, scope = "" }: JWTPayload): Identity | undefined => {
  // The types of claims are jose's hope, not its check.
  if (typeof sub !== "string" || typeof scope !== "string") return undefined;
  if (!ACCOUNT_ID.test(sub)) return undefined;
  const accountId = Number(sub);
  if (!Number.isSafeInteger(accountId)) return undefined;
  const named = scope.split(" ");
  const scopes = new Set(SCOPES.filter((known) => named.includes(known)));
  return { accountId: accountId as AccountId, scopes };
};
