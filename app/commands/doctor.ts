import { join } from "node:path";
import type { AccountId } from "../../shards/domain/brands.ts";
import { EXIT, UsageError } from "../../shards/process/failure.ts";
import { createLogger } from "../../shards/process/logger.ts";
import { CENTRAL_FILE } from "../central/embedded/sqlite-file.ts";
import type { Config } from "../config.ts";
import { examine } from "../doctor/examine.ts";
import type { Expected } from "../doctor/facts.ts";
import { gatherFacts } from "../doctor/gather/gather-facts.ts";
import { renderJson, renderText } from "../doctor/report.ts";
import { loadKeys } from "../tokens/keys.ts";
import { hostPort } from "./addresses.ts";
import { readDevSecret } from "./data-dir.ts";
import { createSigner, keySource } from "./signing.ts";
import { kafkaSettings } from "./stores.ts";

export interface DoctorFlags {
  readonly api?: string;
  readonly token?: string;
  readonly json: boolean;
}

/** Only the shards' state is asked for with it. */
const TOKEN_ACCOUNT = 1 as AccountId;
const TOKEN_TTL_MS = 60_000;

/** `sluice doctor`: prints the report and gives the exit code, 1 when there is a problem. */
export const runDoctor = async (config: Config, flags: DoctorFlags): Promise<number> => {
  const facts = await gatherFacts({
    expected: expectedOf(config, flags),
    loadKeys: () => loadKeys(keySource({ ...config, jwtSecret: secretOf(config) })),
    token: async () =>
      flags.token ?? createSigner(config).sign(TOKEN_ACCOUNT, ["admin"], TOKEN_TTL_MS),
    applierUrl: config.applierUrl?.replace(/^ws/, "http").replace(/\/+$/, "") ?? null,
    centralFile: join(config.dataDir, CENTRAL_FILE),
    kafka: kafkaSettings(config, "doctor") ?? null,
    mysqlUrl: config.mysqlUrl ?? null,
    redisUrl: config.redisUrl ?? null,
    logger: createLogger("doctor", "silent"),
  });
  const diagnosis = examine(facts);
  console.log(flags.json ? renderJson(diagnosis) : renderText(diagnosis).join("\n"));
  return diagnosis.problems > 0 ? EXIT.problemFound : EXIT.well;
};

/** As `dev` has it: its own secret where no key is configured. */
const secretOf = ({ jwtSecret, jwtKeys, dataDir }: Config): string | undefined =>
  jwtSecret ?? (jwtKeys === undefined ? readDevSecret(dataDir) : undefined);

const expectedOf = (config: Config, flags: DoctorFlags): Expected => {
  const { kafka, shard } = config;
  return {
    dataDir: config.dataDir,
    apiUrl: apiUrlOf(config, flags),
    shards: config.sharding.shards.map(({ name }) => name),
    partitionCount: config.partitionCount,
    freeSpaceFloorBytes: shard.freeSpaceFloor,
    backlogRecordsMax: shard.backlogRecordsMax,
    topic:
      config.kafkaBrokers === undefined
        ? null
        : {
            name: kafka.topic,
            groupId: kafka.groupId,
            replicationFactor: kafka.replicationFactor,
            retentionMs: kafka.retention,
          },
  };
};

const EVERYWHERE = ["0.0.0.0", "::"];

const apiUrlOf = ({ host, port }: Config, { api }: DoctorFlags): string => {
  if (api === undefined) {
    return `http://${hostPort(EVERYWHERE.includes(host) ? "127.0.0.1" : host, port)}`;
  }
  const url = URL.parse(api);
  if (url?.protocol === "http:" || url?.protocol === "https:") return api.replace(/\/+$/, "");
  throw new UsageError(`--api = ${JSON.stringify(api)}: expected like http://127.0.0.1:8080.`);
};
