import { SignJWT } from "jose";
import type { AccountId } from "../../shards/domain/brands.ts";
import type { Clock } from "../../shards/process/clock.ts";
import { secretKey } from "./keys.ts";
import type { Scope } from "./verifier.ts";

export interface TokenRequest {
  readonly accountId: AccountId;
  readonly scopes: readonly Scope[];
  readonly ttlMs: number;
  readonly clock: Clock;
  readonly issuer?: string | undefined;
  readonly audience?: string | undefined;
}

/** An HS256 token for `sluice token` and `sluice dev`. Throws UsageError for too short a secret. */
export const signToken = async (secret: string, request: TokenRequest): Promise<string> => {
  const { accountId, scopes, ttlMs, clock, issuer, audience } = request;
  const issuedS = Math.floor(clock.now() / 1000);
  const token = new SignJWT({ scope: scopes.join(" ") })
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .setSubject(String(accountId))
    .setIssuedAt(issuedS)
    .setExpirationTime(issuedS + Math.ceil(ttlMs / 1000));
  if (issuer !== undefined) token.setIssuer(issuer);
  if (audience !== undefined) token.setAudience(audience);
  return token.sign(secretKey(secret).key);
};
