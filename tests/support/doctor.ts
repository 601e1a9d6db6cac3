/** `sluice doctor` as a process, beside a system or beside services alone. */

import { runProcess, SLUICE } from "./processes.ts";
import type { Services } from "./services.ts";
import { environmentOf, type Settings } from "./sluice.ts";

/** What `--json` prints, as far as tests look at it. */
export interface Diagnosis {
  readonly problems: number;
  readonly checks: readonly {
    readonly check: string;
    readonly status: string;
    readonly findings: readonly { readonly code: string; readonly what: string }[];
  }[];
  readonly lag: readonly {
    readonly partition: number;
    readonly records: number;
    readonly ms: number;
  }[];
}

/** The topic is its appliers' group too. */
export const settingsOf = (topic: string): Settings => ({
  KAFKA_TOPIC: topic,
  KAFKA_GROUP_ID: topic,
  PARTITION_COUNT: "2",
});

export const storesOf = ({ kafkaBrokers, mysqlUrl, redisUrl }: Services): Settings => ({
  KAFKA_BROKERS: kafkaBrokers.join(","),
  MYSQL_URL: mysqlUrl,
  REDIS_URL: redisUrl,
});

/** Where no api is. */
const NOBODY = "http://127.0.0.1:9";

/** The commands of an operator on the host of a data folder. */
export const operatorOf = (dataDir: string) => {
  const sluice = (args: readonly string[], services: Services, topic = "none") =>
    runProcess([...SLUICE, ...args, "--data-dir", dataDir], {
      environment: environmentOf(settingsOf(topic), storesOf(services)),
    });

  /** Unless a url is given, beside a system of which nothing runs but its services. */
  const diagnose = async (services: Services, topic?: string, url = NOBODY) => {
    const startedMs = performance.now();
    const { exitCode, stdout } = await sluice(["doctor", "--json", "--api", url], services, topic);
    const tookMs = performance.now() - startedMs;
    const diagnosis = JSON.parse(stdout) as Diagnosis;
    const findings = diagnosis.checks
      .flatMap((line) => line.findings)
      .filter(({ code }) => url !== NOBODY || code !== "api_unreachable");
    const codes = findings.map(({ code }) => code);
    const statusOf = (name: string) => diagnosis.checks.find(({ check }) => check === name)?.status;
    return { exitCode, diagnosis, findings, codes, statusOf, tookMs };
  };

  return { sluice, diagnose };
};
