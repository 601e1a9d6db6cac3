/**
 * Everything that `sluice doctor` can find, in one closed list. A problem breaks a promise or keeps
 * orders from central, now or at the next failure; a warning will do so if nobody looks.
 */

export type Severity = "problem" | "warning";

export interface FindingEntry {
  readonly severity: Severity;
  /** What it means, and what comes of it. */
  readonly why: string;
  /** What to do; a finding may say it more exactly. */
  readonly fix: string;
}

const problem = (why: string, fix: string): FindingEntry => ({ severity: "problem", why, fix });
const warning = (why: string, fix: string): FindingEntry => ({ severity: "warning", why, fix });

const THIS_HOST = {
  data_folder_missing: warning(
    "The folder of the shard files is not on this host: files, permissions and disk were not looked at.",
    "Run doctor where the data is, or name the folder with --data-dir.",
  ),
  data_folder_unwritable: problem(
    "Shard and applier write there; without it they do not start.",
    "Give the folder to the user that runs sluice, or choose another with SLUICE_DATA_DIR.",
  ),
  data_folder_open: warning(
    "Orders and dev's secret are in it, and other users of this host can read the folder.",
    "chmod 700 the folder.",
  ),
  disk_short: problem(
    "Free space is below shard.freeSpaceFloor: new orders are refused, cancels still pass.",
    "Free space on that disk, or move the data to a larger one.",
  ),
  disk_low: warning(
    "Free space is below four times shard.freeSpaceFloor; at the floor new orders are refused.",
    "Free space, or shorten shard.outcomeRetention: it decides how large a shard's file gets.",
  ),
  sqlite_old: problem(
    "Older versions of SQLite may corrupt a shard's file when its log starts over.",
    "Use the Bun version that package.json names.",
  ),
  keys_unusable: problem(
    "An api that is started with these settings refuses to start.",
    "Correct SLUICE_JWT_SECRET or SLUICE_JWT_KEYS.",
  ),
  clock_off: problem(
    "Deadlines and token times travel as times of day: with clocks more than 1 s apart orders are " +
      "refused as late and tokens as expired.",
    "Let both hosts follow the same time server (chrony, systemd-timesyncd).",
  ),
} as const satisfies Readonly<Record<string, FindingEntry>>;

const API_AND_SHARDS = {
  api_unreachable: problem(
    "Nobody can place an order there, and doctor can't ask the shards.",
    "Start `sluice api` or `sluice dev`, or give the api's address with --api.",
  ),
  token_missing: warning(
    "Without a token of scope admin the api does not tell how its shards are.",
    "Set SLUICE_JWT_SECRET, name the data folder with --data-dir, or give a token with --token.",
  ),
  token_refused: problem(
    "The running api verifies with another key than this configuration has: every client whose " +
      "token is signed with it gets 401.",
    "Start every api with the same SLUICE_JWT_SECRET or SLUICE_JWT_KEYS as this configuration.",
  ),
  shard_map_differs: problem(
    "The running api has other shards than this configuration: one of the two is not what is meant.",
    "Start api, shards and doctor with the same setting sharding.",
  ),
  shard_unreachable: problem(
    "Orders of its symbols are refused with 503 shard_unavailable.",
    "Start `sluice shard`; if it ends again, its last line says why.",
  ),
  shard_failed: problem(
    "The shard has stopped itself, so that nothing untrue is answered; its symbols get 503.",
    "Do what its reason says, then start it again: start is recovery.",
  ),
  shard_draining: warning(
    "The shard is ending: it takes no new orders.",
    "Wait for its restart, or start it again.",
  ),
  shard_refuses_orders: problem(
    "The shard is well but takes no new orders; cancels pass.",
    "Remove the cause that it names: space on its disk, or the records that wait for central.",
  ),
  shard_reconciling: problem(
    "The shard was restored without the other shards' files: it takes orders that only reduce, and " +
      "cancels; money whose bank it is can't be granted or withdrawn.",
    "Stop all shards, bring their files into one data folder, move the restored file away and repeat " +
      "`sluice restore --shard`.",
  ),
  bank_silent: problem(
    "A home shard does not answer: new exposure beyond the rights at hand gets 503 bank_unavailable.",
    "See that all shards run, reach each other (shardUrls, SLUICE_CLUSTER_SECRET) and are in time.",
  ),
  bank_behind: warning(
    "Realised profit or loss is not in the accounts' balances yet: it leaves once it is replicated, " +
      "and goes to the account's home shard.",
    "See why the broker or central is behind, and that all shards run and reach each other.",
  ),
  executions_quarantined: warning(
    "Executions of the matching engine were put aside and not applied: orders and positions may " +
      "differ from the engine's.",
    "Find the reason in the shard's log or the topic's execution_quarantined records, and settle it " +
      "with the engine. The count begins anew with the shard's next start.",
  ),
  mark_prices_stale: warning(
    "Market orders that may open are refused with mark_price_stale, and triggers by the mark wait.",
    "See whether the index sends prices (topic mark-prices, or POST /admin/v1/mark-prices).",
  ),
  partition_count_differs: warning(
    "The shards' files have another partition count than SLUICE_PARTITION_COUNT. The files' holds; " +
      "the setting counts for new files, which would then differ.",
    "Set SLUICE_PARTITION_COUNT to the shards' count, or raise theirs with `sluice partitions raise`.",
  ),
  raise_unfinished: problem(
    "The shards have different partition counts: a raise was broken off.",
    "Repeat `sluice partitions raise` with the largest count: it finishes what was not done.",
  ),
  relay_waits: problem(
    "Committed records stay in the shard's file: central and the topic's readers get nothing new.",
    "Remove the cause that the relay names: usually the broker or the applier is down.",
  ),
  applier_unreachable: problem(
    "Shards ask the applier how far central has got; no new shard file can be made without it.",
    "Start `sluice applier`, or correct SLUICE_APPLIER_URL.",
  ),
  backlog_near_limit: warning(
    "Over 80 % of shard.backlogRecordsMax wait for central; at the limit new orders are refused.",
    "See why central lags (lag, consumers, MySQL), or add appliers.",
  ),
  central_lags: warning(
    "The oldest record that central has not applied is more than a minute old: history is late.",
    "See the other findings; without any, the applier or its database is too slow for the intake.",
  ),
} as const satisfies Readonly<Record<string, FindingEntry>>;

const BROKER = {
  broker_unreachable: problem(
    "Committed records stay in the shards' files until the broker answers; then the backlog grows " +
      "until new orders are refused.",
    "Start the broker, or correct KAFKA_BROKERS and the kafka.* settings.",
  ),
  topic_missing: problem(
    "The relays have nowhere to send to.",
    "Start `sluice applier`: it makes the topic. Or correct SLUICE_KAFKA_TOPIC.",
  ),
  topic_partitions_fewer: problem(
    "The shards number more partitions than the topic has: records of the missing ones can't be sent.",
    "`sluice partitions raise` with the shards' count raises the topic too.",
  ),
  topic_partitions_more: warning(
    "The topic was raised, the shards were not: the partitions beyond their count stay empty, and " +
      "so do the appliers that were given them.",
    "`sluice partitions raise` with the topic's count.",
  ),
  replication_too_low: problem(
    "`?ack=replicated` promises that a record outlives a broker; with so few copies one lost disk " +
      "loses it.",
    "Give the topic more replicas: kafka-reassign-partitions.",
  ),
  single_broker: warning(
    "There is one broker, so one copy: `?ack=replicated` promises no more than that broker's disk.",
    "Fit for development. In production run three brokers at least.",
  ),
  min_insync_too_low: problem(
    "With min.insync.replicas below 2 a leader that stands alone acknowledges, and its disk's loss " +
      "loses what was acknowledged.",
    "Set the topic's min.insync.replicas to 2.",
  ),
  min_insync_too_high: problem(
    "The topic asks for more copies in sync than it has: no record is ever taken.",
    "Set min.insync.replicas below the number of replicas.",
  ),
  unclean_election: problem(
    "unclean.leader.election.enable lets a broker lead that lacks acknowledged records: they are lost.",
    "Set it to false for the topic.",
  ),
  topic_compacted: problem(
    "cleanup.policy has compact: the broker deletes all but the newest record of a symbol.",
    "Set the topic's cleanup.policy to delete, then `sluice resend --shard` for each shard.",
  ),
  partition_not_writable: problem(
    "The partition has no leader or too few replicas in sync: its records wait in the shards.",
    "Start the brokers that are down.",
  ),
  replicas_out_of_sync: warning(
    "A replica is behind or its broker is down: the next failure may stop the partition.",
    "Start the broker that is down and wait until it has caught up.",
  ),
  retention_short: warning(
    "The topic keeps records for less time than kafka.retention says: an applier that is away for " +
      "longer misses records, and a restore has less to read.",
    "Set the topic's retention.ms to what kafka.retention says.",
  ),
  lag_near_retention: warning(
    "The oldest record that waits is more than half as old as the topic's retention; then the " +
      "broker deletes it unread.",
    "Start appliers, or raise the topic's retention.ms until they have caught up.",
  ),
  records_expired: problem(
    "The broker has deleted records that central has not applied.",
    "Raise retention.ms, then `sluice resend --shard` for each shard: the shards still have them.",
  ),
  topic_tail_lost: problem(
    "Central has read further than the topic goes: the broker lost acknowledged records, or the " +
      "topic was made anew. Central has them; other readers of the topic may not.",
    "Find out what happened to the broker's disk. `sluice resend --shard` sends what central lacks.",
  ),
  no_consumers: problem(
    "No applier reads the topic: central stands still.",
    "Start `sluice applier`.",
  ),
  partition_unconsumed: problem(
    "No applier has the partition: its records wait.",
    "Restart the appliers; look into their logs if it stays so.",
  ),
  consumer_idle: problem(
    "The member has no partition: it does nothing, and takes no load off the others.",
    "End it, or raise the partition count with `sluice partitions raise`.",
  ),
  group_rebalancing: warning(
    "The appliers are dividing the partitions; none is read meanwhile.",
    "Run doctor again in a few seconds. If it stays so, an applier joins and leaves all the time.",
  ),
} as const satisfies Readonly<Record<string, FindingEntry>>;

const STORES = {
  mysql_unreachable: problem(
    "Nothing is applied: records wait in topic and shards, history and `?ack=central` stand still.",
    "Start MySQL, or correct MYSQL_URL.",
  ),
  mysql_old: problem(
    "Appliers refuse to start on it: they need MySQL 8.0.19 or later, and no MariaDB.",
    "Use a newer MySQL.",
  ),
  mysql_read_only: problem(
    "The server takes no writes, as a replica does: nothing is applied.",
    "Point MYSQL_URL at the primary, or SET GLOBAL read_only = OFF.",
  ),
  mysql_flush: problem(
    "With innodb_flush_log_at_trx_commit other than 1 a crash of the server's host loses commits " +
      "that were already told to clients as central.",
    "SET PERSIST innodb_flush_log_at_trx_commit = 1;",
  ),
  mysql_sync_binlog: problem(
    "With sync_binlog other than 1 a crash loses the end of the binary log: replicas and " +
      "point-in-time backups miss commits.",
    "SET PERSIST sync_binlog = 1;",
  ),
  mysql_doublewrite: problem(
    "Without the doublewrite buffer a page that was half written at a power cut can't be repaired.",
    "Start MySQL with innodb_doublewrite = ON.",
  ),
  mysql_packet_small: problem(
    "Appliers refuse to start: max_allowed_packet is below 16 MiB, and batches may be larger.",
    "SET PERSIST max_allowed_packet = 67108864;",
  ),
  redis_unreachable: problem(
    "Nothing is refused for it, but each api counts rate limits by itself and history is not cached.",
    "Start Redis, or correct or unset REDIS_URL.",
  ),
  central_missing: problem(
    "The central store has no tables: no applier has ever started on it.",
    "Start `sluice applier`.",
  ),
  central_unreadable: problem(
    "The file of the embedded central store can't be read.",
    "Do what the reason says; keep the file and its -wal together.",
  ),
  shard_is_old_copy: problem(
    "Central has records of the shard that its file lacks: the file is older than what was lost.",
    "Stop the shard and put its newest file back, or `sluice restore --shard`.",
  ),
  stream_stopped: problem(
    "Central takes nothing of the stream but the record that continues it; its orders are late.",
    "`sluice quarantine list` says what to do for each.",
  ),
  old_epoch_records: warning(
    "Records of an epoch came that another has replaced: an old copy of the shard's file was running. " +
      "They were refused.",
    "Make sure that no writer runs on the old file.",
  ),
  records_quarantined: warning(
    "Records of the topic were put aside because nobody can read them; if one was of a shard, its " +
      "stream is stopped too.",
    "`sluice quarantine list` shows them.",
  ),
} as const satisfies Readonly<Record<string, FindingEntry>>;

export const FINDINGS = { ...THIS_HOST, ...API_AND_SHARDS, ...BROKER, ...STORES } as const;

export type FindingCode = keyof typeof FINDINGS;

/** One thing that was found. */
export interface Finding extends FindingEntry {
  readonly code: FindingCode;
  /** What was seen: names and numbers. */
  readonly what: string;
}

/** `fix` says it more exactly than the list does. */
export const found = (code: FindingCode, what: string, fix?: string): Finding => {
  const entry = FINDINGS[code];
  return { code, ...entry, what, fix: fix ?? entry.fix };
};
