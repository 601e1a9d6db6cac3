/**
 * Asks everything at once. Each source has a time of its own, so that one that hangs costs no more
 * than that and hides nothing of the others.
 */
import { systemClock } from "../../../shards/process/clock.ts";
import { OperatingError } from "../../../shards/process/failure.ts";
import type { KafkaSettings } from "../../../shards/process/kafka.ts";
import type { Logger } from "../../../shards/process/logger.ts";
import type {
  BrokerFacts,
  CentralFacts,
  Expected,
  Facts,
  Gathered,
  PartitionLag,
} from "../facts.ts";
import { askHttp } from "./ask-http.ts";
import { gatherApi } from "./gather-api.ts";
import { agesBehind, type BrokerSources, gatherBroker, recordsBehind } from "./gather-broker.ts";
import { gatherEmbedded } from "./gather-embedded.ts";
import { gatherHost } from "./gather-host.ts";
import { gatherMysql } from "./gather-mysql.ts";
import { gatherRedis } from "./gather-redis.ts";
import { within } from "./within.ts";

export interface Sources {
  readonly expected: Expected;
  /** Throws UsageError when the configured keys can't be used. */
  readonly loadKeys: () => Promise<unknown>;
  /** One of scope `admin`. Throws UsageError when none can be signed. */
  readonly token: () => Promise<string>;
  /** `http://HOST:PORT` of an applier that is configured. */
  readonly applierUrl: string | null;
  readonly centralFile: string;
  readonly kafka: KafkaSettings | null;
  readonly mysqlUrl: string | null;
  readonly redisUrl: string | null;
  readonly logger: Logger;
}

const SOURCE_MS_MAX = 3000;
/** Two questions after each other. */
const API_MS_MAX = 2 * SOURCE_MS_MAX;

export const gatherFacts = async (sources: Sources): Promise<Facts> => {
  const { expected, mysqlUrl, redisUrl, logger, centralFile } = sources;
  const { apiUrl, dataDir } = expected;
  const broker = brokerSources(sources);
  const [host, api, applier, brokerSeen, mysqlSeen, redis, embedded] = await Promise.all([
    gatherHost({ dataDir, loadKeys: sources.loadKeys }),
    within("the api", API_MS_MAX, () =>
      gatherApi({ apiUrl, token: sources.token, msMax: SOURCE_MS_MAX }),
    ),
    asked(sources.applierUrl, (url) => within(url, SOURCE_MS_MAX, () => applierLives(url))),
    asked(broker, (one) => within("the broker", SOURCE_MS_MAX, () => gatherBroker(one))),
    asked(mysqlUrl, (url) => within("MySQL", SOURCE_MS_MAX, () => gatherMysql(url, SOURCE_MS_MAX))),
    asked(redisUrl, (url) => within("Redis", SOURCE_MS_MAX, () => gatherRedis(url, logger))),
    within(centralFile, SOURCE_MS_MAX, () => gatherEmbedded(centralFile)),
  ]);
  const central = mysqlSeen === null ? embedded : mapped(mysqlSeen, (seen) => seen.central);
  return {
    at: systemClock.now(),
    expected,
    host,
    api,
    applier,
    broker: brokerSeen,
    mysql: mysqlSeen === null ? null : mapped(mysqlSeen, (seen) => seen.mysql),
    redis,
    central,
    lag: await gatherLag(broker, brokerSeen, central),
  };
};

const brokerSources = ({ kafka, expected: { topic }, logger }: Sources): BrokerSources | null =>
  kafka === null || topic === null ? null : { kafka, groupId: topic.groupId, logger };

/** null for what is not configured. */
const asked = <S, T>(
  source: S | null,
  ask: (source: S) => Promise<Gathered<T>>,
): Promise<Gathered<T>> | null => (source === null ? null : ask(source));

const mapped = <A, B>(gathered: Gathered<A>, map: (value: A) => B): Gathered<B> =>
  gathered.ok ? { ok: true, value: map(gathered.value) } : gathered;

const applierLives = async (url: string): Promise<true> => {
  const response = await askHttp(`${url}/healthz`, { msMax: SOURCE_MS_MAX });
  await response.text();
  if (response.ok) return true;
  throw new OperatingError("unreachable", `/healthz gave ${response.status}`, { retryable: true });
};

/** Records at once; ages need the broker again and are left out when it does not give them. */
const gatherLag = async (
  sources: BrokerSources | null,
  broker: Gathered<BrokerFacts> | null,
  central: Gathered<CentralFacts | null>,
): Promise<readonly PartitionLag[]> => {
  if (sources === null || broker?.ok !== true || !central.ok || central.value === null) return [];
  const behind = recordsBehind(broker.value, central.value.positions);
  const ages = await within("the broker", SOURCE_MS_MAX, () => agesBehind(sources, behind));
  if (ages.ok) return ages.value;
  return behind.map(({ partition, records }) => ({ partition, records, ms: null }));
};
