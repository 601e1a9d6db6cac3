import type { Code } from "../../shards/domain/codes.ts";
import type { Identity, Scope, TokenVerifier, Verification } from "../tokens/verifier.ts";
import type { Call } from "./call.ts";
import { plainProblem, problemReply, type Reply } from "./reply.ts";

const BEARER = /^Bearer +([A-Za-z0-9._~+/=-]+) *$/i;

/**
 * Sets the call's account, or gives the refusal. Synchronous for a token seen in the last minute,
 * so that the hot path waits for nothing here.
 */
export const authenticate = (
  call: Call,
  tokens: TokenVerifier,
  scope: Scope,
): Reply | undefined | Promise<Reply | undefined> => {
  const header = call.request.headers.get("authorization");
  if (header === null) return challenge(call, "unauthenticated", "Send Authorization: Bearer.");
  const token = header.startsWith("Bearer ") ? header.slice(7) : BEARER.exec(header)?.[1];
  if (token === undefined) {
    return challenge(call, "unauthenticated", "Authorization must be a Bearer token.");
  }
  const identity = tokens.cached(token);
  if (identity !== undefined) return admit(call, identity, scope);
  return tokens.verify(token.trim()).then((verified) => settle(call, verified, scope));
};

const settle = (call: Call, verified: Verification, scope: Scope): Reply | undefined => {
  if (verified.ok) return admit(call, verified.identity, scope);
  const { code, detail } = verified;
  return challenge(call, code, detail, `, error="invalid_token", error_description="${detail}"`);
};

const admit = (call: Call, identity: Identity, scope: Scope): Reply | undefined => {
  if (!identity.scopes.has(scope)) {
    const parameters = `, error="insufficient_scope", scope="${scope}"`;
    return challenge(call, "scope_missing", `This needs the scope ${scope}.`, parameters);
  }
  call.accountId = identity.accountId;
  return undefined;
};

/** RFC 6750, section 3: a request without a token is told the scheme only. */
const challenge = (call: Call, code: Code, detail: string, parameters = ""): Reply =>
  problemReply(call.requestId, plainProblem(code, detail)).with({
    "WWW-Authenticate": `Bearer realm="sluice"${parameters}`,
  });
