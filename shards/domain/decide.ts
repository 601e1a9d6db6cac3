/**
 * What a shard answers to a command. Pure: it reads a view of the state and gives back events and
 * an answer; nothing is changed here. Each kind of command has its file in `decide/`; the rules,
 * the order in which they are tried and the policies are in docs/RULES.md.
 */
import { decideAmend } from "./decide/amend.ts";
import { decideCancel, decideCancelMany, decideExpire } from "./decide/cancel.ts";
import { decideExecution } from "./decide/execute.ts";
import { decidePlace } from "./decide/place.ts";
import {
  decideAccountSettings,
  decideMark,
  decideSymbolSettings,
  decideTradingState,
} from "./decide/settings.ts";
import { decideTrigger } from "./decide/trigger.ts";
import type { DecidedCommand, Decision, DecisionView, Funding } from "./decide/types.ts";

export { decideCheck } from "./decide/check.ts";
export { isTriggeredAt, workingPriceOf } from "./decide/trigger.ts";
export type {
  DecidedCommand,
  Decision,
  DecisionView,
  ExecutionResult,
  Funding,
  Outcome,
  QuarantineReason,
  SeenExecution,
} from "./decide/types.ts";

/** Decides one command. `now` is in milliseconds since 1970: the records' times, and a mark's age. */
export const decide = (
  view: DecisionView,
  command: DecidedCommand,
  now: number,
  funding: Funding,
): Decision => {
  switch (command.kind) {
    case "place":
      return decidePlace(view, command.accountId, command.request, now, funding);
    case "amend":
      return decideAmend(view, command, now, funding);
    case "cancel":
      return decideCancel(view, command, now);
    case "cancel_many":
      return decideCancelMany(view, command, now);
    case "expire":
      return decideExpire(view, command.orderId, now);
    case "trigger":
      return decideTrigger(view, command.orderId, now);
    case "execute":
      return decideExecution(view, command.execution, now);
    case "mark":
      return decideMark(view, command, now);
    case "trading_state":
      return decideTradingState(view, command);
    case "symbol_settings":
      return decideSymbolSettings(view, command, funding);
    case "account_settings":
      return decideAccountSettings(view, command);
  }
};
