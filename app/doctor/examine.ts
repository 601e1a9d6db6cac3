/** All checks over one set of facts. */
import type { Check } from "./check.ts";
import { API_CHECKS } from "./checks/api.ts";
import { BROKER_CHECKS } from "./checks/broker.ts";
import { HOST_CHECKS } from "./checks/host.ts";
import { STORE_CHECKS } from "./checks/stores.ts";
import type { Facts, PartitionLag } from "./facts.ts";
import type { Finding, Severity } from "./findings.ts";

export const CHECKS: readonly Check[] = [
  ...HOST_CHECKS,
  ...API_CHECKS,
  ...BROKER_CHECKS,
  ...STORE_CHECKS,
];

/** One line of the report. */
export interface CheckLine {
  readonly check: string;
  readonly status: "ok" | "skipped" | Severity;
  /** What was seen, or why nothing was looked at. */
  readonly seen: string;
  readonly findings: readonly Finding[];
}

export interface Diagnosis {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly problems: number;
  readonly warnings: number;
  readonly checks: readonly CheckLine[];
  readonly lag: readonly PartitionLag[];
}

export const examine = (facts: Facts): Diagnosis => {
  const checks = CHECKS.map((check) => lineOf(check, facts));
  const severities = checks.flatMap((line) => line.findings.map(({ severity }) => severity));
  return {
    at: facts.at,
    problems: severities.filter((severity) => severity === "problem").length,
    warnings: severities.filter((severity) => severity === "warning").length,
    checks,
    lag: facts.lag,
  };
};

const lineOf = ({ name, run }: Check, facts: Facts): CheckLine => {
  const result = run(facts);
  if ("skipped" in result) {
    return { check: name, status: "skipped", seen: result.skipped, findings: [] };
  }
  const { findings } = result;
  const worst = findings.some(({ severity }) => severity === "problem") ? "problem" : "warning";
  const status = findings.length === 0 ? "ok" : worst;
  return { check: name, status, seen: status === "ok" ? result.seen : "", findings };
};
