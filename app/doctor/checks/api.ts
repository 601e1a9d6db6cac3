/** The running api and what it tells of its shards. */
import { type Check, counted, given, seen, skipped } from "../check.ts";
import type { Facts, ShardFacts } from "../facts.ts";
import { type Finding, found } from "../findings.ts";
import { durationText } from "../units.ts";

const api: Check = {
  name: "api",
  run: ({ api: gathered, expected: { apiUrl } }) => {
    if (!gathered.ok) return seen("", [found("api_unreachable", `${apiUrl}: ${gathered.reason}.`)]);
    const { token } = gathered.value;
    if (token.kind === "missing") return seen("", [found("token_missing", token.detail)]);
    return seen(
      `${apiUrl} answers and takes our token`,
      token.kind === "accepted" ? [] : [found("token_refused", `${apiUrl} says: ${token.detail}`)],
    );
  },
};

const shardsOf = ({ api: gathered }: Facts): readonly ShardFacts[] | null =>
  given(gathered)?.shards ?? null;

const UNKNOWN = "the api does not tell of its shards";

const shards: Check = {
  name: "shards",
  run: (facts) => {
    const known = shardsOf(facts);
    if (known === null) return skipped(UNKNOWN);
    return seen(`${counted(known.length, "shard")} serving`, [
      ...mapFindings(facts.expected.shards, known),
      ...known.flatMap(stateFindings),
    ]);
  },
};

const mapFindings = (
  expected: readonly string[],
  known: readonly ShardFacts[],
): readonly Finding[] => {
  const names = known.map(({ shard }) => shard);
  const same = names.length === expected.length && expected.every((name) => names.includes(name));
  if (same) return [];
  const what = `The api has ${names.join(", ")}; the configuration says ${expected.join(", ")}.`;
  return [found("shard_map_differs", what)];
};

const stateFindings = ({ shard, state, reason, risk }: ShardFacts): readonly Finding[] => {
  const why = reason === null ? "" : `: ${reason.replace(/\.$/, "")}`;
  switch (state) {
    case "unreachable":
      return [
        found(
          "shard_unreachable",
          `${shard} does not answer${why}.`,
          `Start \`sluice shard --shard ${shard}\`; if it ends again, its last line says why.`,
        ),
      ];
    case "failed":
      return [found("shard_failed", `${shard} has failed${why}.`)];
    case "draining":
      return [found("shard_draining", `${shard} is draining${why}.`)];
    default:
      // The reason of a shard that is reconciling is just that, unless it has another one.
      if (risk?.isReconciling) return [found("shard_reconciling", `${shard}${why}.`)];
      return reason === null ? [] : [found("shard_refuses_orders", `${shard}${why}.`)];
  }
};

const partitionCount: Check = {
  name: "partition count",
  run: (facts) => {
    const counts = (shardsOf(facts) ?? []).flatMap(({ shard, partitionCount: count }) =>
      count === null ? [] : [{ shard, count }],
    );
    if (counts.length === 0) return skipped("no shard says its count");
    const { partitionCount: configured } = facts.expected;
    const largest = Math.max(...counts.map(({ count }) => count));
    const each = counts.map(({ shard, count }) => `${shard} ${count}`).join(", ");
    if (counts.some(({ count }) => count !== largest)) {
      const fix = `Repeat \`sluice partitions raise ${largest}\`.`;
      return seen("", [found("raise_unfinished", `Partitions: ${each}.`, fix)]);
    }
    const what = `The shards have ${largest}, SLUICE_PARTITION_COUNT says ${configured}.`;
    const differs = largest !== configured;
    return seen(`${largest} everywhere`, differs ? [found("partition_count_differs", what)] : []);
  },
};

/** Of the limit of records that may wait. */
const NEAR_LIMIT = 0.8;
const LAG_MS_MAX = 60_000;

const handOver: Check = {
  name: "hand-over",
  run: (facts) => {
    const known = (shardsOf(facts) ?? []).filter(({ relay }) => relay !== null);
    const findings = known.flatMap((shard) => handOverFindings(shard, facts));
    const { applier } = facts;
    if (applier?.ok === false) findings.unshift(found("applier_unreachable", `${applier.reason}.`));
    if (known.length === 0 && findings.length === 0) return skipped(UNKNOWN);
    const waiting = known.reduce((sum, { central }) => sum + (central?.lagRecords ?? 0), 0);
    return seen(`relays run, ${counted(waiting, "record")} not in central yet`, findings);
  },
};

const handOverFindings = (
  { shard, relay, central }: ShardFacts,
  { expected: { backlogRecordsMax } }: Facts,
): Finding[] => {
  const findings: Finding[] = [];
  if (relay !== null && relay.state !== "running") {
    const why = relay.reason === null ? "" : `: ${relay.reason.replace(/\.$/, "")}`;
    findings.push(found("relay_waits", `The relay of ${shard} is ${relay.state}${why}.`));
  }
  if (central === null) return findings;
  const { lagRecords, lagMs } = central;
  if (lagRecords > NEAR_LIMIT * backlogRecordsMax) {
    const what = `${shard}: ${lagRecords} of at most ${backlogRecordsMax} records wait.`;
    findings.push(found("backlog_near_limit", what));
  }
  if (lagRecords > 0 && lagMs > LAG_MS_MAX) {
    const what = `${shard}: ${counted(lagRecords, "record")}, the oldest ${durationText(lagMs)} old.`;
    findings.push(found("central_lags", what));
  }
  return findings;
};

/** A grant takes milliseconds; what is realised waits for the broker or central. */
const PENDING_MS_MAX = 5_000;
const OUTBOX_MS_MAX = 30_000;

const accounts: Check = {
  name: "accounts",
  run: (facts) => {
    const known = (shardsOf(facts) ?? []).filter((one) => one.executionsQuarantined !== null);
    if (known.length === 0) return skipped("no shard tells of its accounts");
    return seen("banks answer, executions are applied", known.flatMap(accountFindings));
  },
};

const accountFindings = ({ shard, risk, executionsQuarantined }: ShardFacts): Finding[] => {
  const findings: Finding[] = [];
  const { pendingAgeMs = 0, outboxAgeMs = 0, staleMarks = 0 } = risk ?? {};
  if (pendingAgeMs > PENDING_MS_MAX) {
    const what = `${shard} has waited ${durationText(pendingAgeMs)} for a bank's answer.`;
    findings.push(found("bank_silent", what));
  }
  if (outboxAgeMs > OUTBOX_MS_MAX) {
    const what = `${shard} has told a bank for ${durationText(outboxAgeMs)}, without an answer.`;
    findings.push(found("bank_behind", what));
  }
  const executions = executionsQuarantined ?? 0;
  if (executions > 0) {
    const what = `${shard} has put aside ${counted(executions, "execution")} since its start.`;
    findings.push(found("executions_quarantined", what));
  }
  if (staleMarks > 0) {
    const what = `${shard}: ${counted(staleMarks, "mark price")} older than margin.markAge.`;
    findings.push(found("mark_prices_stale", what));
  }
  return findings;
};

export const API_CHECKS: readonly Check[] = [api, shards, partitionCount, handOver, accounts];

/** What the topic must have: the shards' count, or the configured one where none says it. */
export const pinnedPartitions = (facts: Facts): number => {
  const counts = (shardsOf(facts) ?? []).flatMap((shard) => shard.partitionCount ?? []);
  return counts.length === 0 ? facts.expected.partitionCount : Math.max(...counts);
};
