import { EXIT } from "../../shards/process/failure.ts";
import type { Config } from "../config.ts";
import { findShard } from "./addresses.ts";
import { type AdminApi, type AdminFlags, adminApi, detailOf } from "./admin-api.ts";

/** `sluice resend`: gives the exit code, 1 when the shard was not told. */
export const runResend = (
  config: Config,
  flags: AdminFlags & { readonly shard: string },
): Promise<number> => {
  const { name } = findShard(config, "--shard", flags.shard);
  return resend(name, adminApi(config, flags), console.log);
};

/** Tells the shard's relay to send everything again that central lacks. */
export const resend = async (
  shard: string,
  api: AdminApi,
  print: (line: string) => void,
): Promise<number> => {
  const answer = await api.ask("POST", `/admin/v1/shards/${shard}/resend`);
  if (answer.status !== 202) {
    print(`${shard}: ${detailOf(answer)} Nothing is sent again; repeat the command.`);
    return EXIT.problemFound;
  }
  print(`${shard}: sends everything again that central lacks. \`sluice doctor\` shows the lag.`);
  return EXIT.well;
};
