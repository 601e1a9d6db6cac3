/** MySQL, Redis, and what central itself says of streams and of records that were put aside. */
import { type Check, counted, given, seen, skipped } from "../check.ts";
import type { CentralFacts, Facts, MysqlFacts } from "../facts.ts";
import { type Finding, found } from "../findings.ts";
import { sizeText } from "../units.ts";
import { wayOut } from "../way-out.ts";

/** As appliers have them at their start. */
const MYSQL_VERSION_MIN = [8, 0, 19] as const;
const PACKET_BYTES_MIN = 16 * 1024 ** 2;

const mysql: Check = {
  name: "MySQL",
  run: ({ mysql: gathered }) => {
    if (gathered === null) return skipped("MYSQL_URL is not set");
    if (!gathered.ok) return seen("", [found("mysql_unreachable", `${gathered.reason}.`)]);
    return seen(`${gathered.value.version}, commits are safe`, mysqlFindings(gathered.value));
  },
};

const mysqlFindings = (facts: MysqlFacts): readonly Finding[] => {
  const { version, flushLogAtCommit, syncBinlog, doublewrite, maxAllowedPacketBytes } = facts;
  const rules: readonly (readonly [boolean, Finding])[] = [
    [isOlder(version), found("mysql_old", `MySQL is ${version}.`)],
    [facts.readOnly, found("mysql_read_only", "read_only is ON.")],
    [
      flushLogAtCommit !== 1,
      found("mysql_flush", `innodb_flush_log_at_trx_commit is ${flushLogAtCommit}.`),
    ],
    [
      syncBinlog !== null && syncBinlog !== 1,
      found("mysql_sync_binlog", `sync_binlog is ${syncBinlog}.`),
    ],
    [
      doublewrite !== "ON" && doublewrite !== "DETECT_AND_RECOVER",
      found("mysql_doublewrite", `innodb_doublewrite is ${doublewrite}.`),
    ],
    [
      maxAllowedPacketBytes < PACKET_BYTES_MIN,
      found("mysql_packet_small", `max_allowed_packet is ${sizeText(maxAllowedPacketBytes)}.`),
    ],
  ];
  return rules.filter(([broken]) => broken).map(([, finding]) => finding);
};

const isOlder = (version: string): boolean => {
  if (/maria/i.test(version)) return true;
  const parts = version.split(/[.-]/).map(Number);
  for (const [i, least] of MYSQL_VERSION_MIN.entries()) {
    const part = parts[i] || 0;
    if (part !== least) return part < least;
  }
  return false;
};

const redis: Check = {
  name: "Redis",
  run: ({ redis: gathered }) => {
    if (gathered === null) return skipped("REDIS_URL is not set");
    if (gathered.ok) return seen(gathered.value.version);
    return seen("", [found("redis_unreachable", `${gathered.reason}.`)]);
  },
};

const central: Check = {
  name: "central store",
  run: (facts) => {
    const { central: gathered, mysql: server } = facts;
    const isEmbedded = server === null;
    if (!gathered.ok) {
      if (!isEmbedded) return skipped("MySQL does not answer");
      if (facts.host.folder === null) return skipped("the data folder is not here");
      return seen("", [found("central_unreadable", `${gathered.reason}.`)]);
    }
    if (gathered.value === null) {
      if (isEmbedded && facts.host.folder === null) return skipped("the data folder is not here");
      const where = isEmbedded ? facts.expected.dataDir : "the database of MYSQL_URL";
      return seen("", [found("central_missing", `There is no central store in ${where}.`)]);
    }
    const { epochs } = gathered.value;
    const form = isEmbedded ? "embedded" : "on MySQL";
    return seen(`${form}, knows ${counted(epochs.length, "shard")}`, oldCopies(facts, epochs));
  },
};

const oldCopies = (facts: Facts, epochs: CentralFacts["epochs"]): readonly Finding[] =>
  (given(facts.api)?.shards ?? []).flatMap(({ shard, epoch }) => {
    const newest = epochs.find((one) => one.shard === shard)?.epoch;
    if (newest === undefined || epoch === null || epoch >= newest) return [];
    const what = `${shard} runs in epoch ${epoch}, central gave it epoch ${newest}.`;
    return [found("shard_is_old_copy", what)];
  });

const streams: Check = {
  name: "streams",
  run: (facts) => {
    const known = given(facts.central);
    if (known === null) return skipped("central does not say");
    const findings = known.stopped.map((stop) => {
      const { shard, epoch, partition, code, detail } = stop;
      const newest = known.epochs.find((one) => one.shard === shard)?.epoch ?? epoch;
      const what = `${shard}, epoch ${epoch}, partition ${partition}: ${code}, ${detail}`;
      if (epoch < newest) return found("old_epoch_records", what);
      return found("stream_stopped", what, wayOut(stop.code, shard));
    });
    return seen("none is stopped", findings);
  },
};

const quarantine: Check = {
  name: "quarantine",
  run: (facts) => {
    const known = given(facts.central);
    if (known === null) return skipped("central does not say");
    const { quarantinedRecords: records } = known;
    const what = `${counted(records, "record")} of no stream put aside.`;
    return seen("empty", records === 0 ? [] : [found("records_quarantined", what)]);
  },
};

export const STORE_CHECKS: readonly Check[] = [mysql, redis, central, streams, quarantine];
