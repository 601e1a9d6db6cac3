import { readFileSync } from "node:fs";
import type { AccountId } from "../../shards/domain/brands.ts";
import { systemClock } from "../../shards/process/clock.ts";
import { reasonOf, UsageError } from "../../shards/process/failure.ts";
import type { Config } from "../config.ts";
import type { KeySource } from "../tokens/keys.ts";
import { signToken } from "../tokens/sign.ts";
import { SCOPES, type Scope } from "../tokens/verifier.ts";
import { readDevSecret } from "./data-dir.ts";

/** What tokens are verified with. `jwtKeys` is the text itself or the path of a file with it. */
export const keySource = (config: Pick<Config, "jwtSecret" | "jwtKeys">): KeySource => ({
  secret: config.jwtSecret,
  keys: config.jwtKeys === undefined ? undefined : keysText(config.jwtKeys),
});

const keysText = (textOrPath: string): string => {
  const text = textOrPath.trim();
  if (text.startsWith("{") || text.startsWith("-----BEGIN")) return text;
  try {
    return readFileSync(text, "utf8");
  } catch (error) {
    throw new UsageError(
      `SLUICE_JWT_KEYS is neither PEM nor JWKS nor a file that can be read: ${reasonOf(error)}.`,
    );
  }
};

export interface Signer {
  sign(accountId: AccountId, scopes: readonly Scope[], ttlMs: number): Promise<string>;
}

/** Signs with the configured secret, else with the one that `dev` made in the data folder. */
export const createSigner = (config: Config): Signer => {
  const secret = config.jwtSecret ?? readDevSecret(config.dataDir);
  if (secret === undefined) {
    throw new UsageError(
      `No secret to sign tokens with: set SLUICE_JWT_SECRET, or --data-dir to a folder that ` +
        `"sluice dev" has started in (${config.dataDir} has no dev-secret).`,
    );
  }
  const { jwtIssuer: issuer, jwtAudience: audience } = config;
  return {
    sign: (accountId, scopes, ttlMs) =>
      signToken(secret, { accountId, scopes, ttlMs, clock: systemClock, issuer, audience }),
  };
};

/** Scopes of `--scope "read trade"`. */
export const parseScopes = (text: string): readonly Scope[] => {
  const words = text.split(/\s+/).filter((word) => word !== "");
  const unknown = words.find((word) => !SCOPES.some((scope) => scope === word));
  if (words.length === 0 || unknown !== undefined) {
    throw new UsageError(
      `--scope = ${JSON.stringify(text)}: expected some of ${SCOPES.join(", ")}, spaces between.`,
    );
  }
  return SCOPES.filter((scope) => words.includes(scope));
};

/** The account of `--account 42`. */
export const parseAccount = (text: string): AccountId => {
  const account = Number(text);
  if (!/^[1-9]\d*$/.test(text) || !Number.isSafeInteger(account)) {
    throw new UsageError(`--account = ${JSON.stringify(text)}: expected a whole number from 1 up.`);
  }
  return account as AccountId;
};
