/** The form of one check: pure, from facts to a line of the report and what was found. */
import type { Facts, Gathered } from "./facts.ts";
import type { Finding } from "./findings.ts";

export type CheckResult =
  /** `seen` is what a person reads when all is well. */
  | { readonly seen: string; readonly findings: readonly Finding[] }
  /** Why there was nothing to look at. */
  | { readonly skipped: string };

export interface Check {
  readonly name: string;
  run(facts: Facts): CheckResult;
}

export const seen = (text: string, findings: readonly Finding[] = []): CheckResult => ({
  seen: text,
  findings,
});

export const skipped = (why: string): CheckResult => ({ skipped: why });

/** Of a source that is not configured, or that gave nothing: another check says so. */
export const given = <T>(gathered: Gathered<T> | null): T | null =>
  gathered?.ok === true ? gathered.value : null;

/** `3 shards`, `1 shard`. */
export const counted = (count: number, noun: string): string =>
  `${count} ${noun}${count === 1 ? "" : "s"}`;
