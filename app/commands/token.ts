import { UsageError } from "../../shards/process/failure.ts";
import { type Config, parseDurationFlag } from "../config.ts";
import { createSigner, parseAccount, parseScopes } from "./signing.ts";

export interface TokenArguments {
  readonly account: string;
  readonly scope: string;
  readonly ttl: string;
}

/** `sluice token`: the token alone, so that it can stand in `$(…)`. */
export const tokenText = (config: Config, args: TokenArguments): Promise<string> => {
  const account = parseAccount(args.account);
  const scopes = parseScopes(args.scope);
  const ttlMs = parseDurationFlag("--ttl", args.ttl);
  if (ttlMs < 1000) throw new UsageError(`--ttl = "${args.ttl}": expected 1s at least.`);
  return createSigner(config).sign(account, scopes, ttlMs);
};
