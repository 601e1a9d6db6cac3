/** What a decision adds to a batch, and the answer that its sender gets after the commit. */
import { CODES } from "../domain/codes.ts";
import type { Command } from "../domain/command.ts";
import type { Decision } from "../domain/decide/types.ts";
import type { DomainEvent } from "../domain/event.ts";
import type { Order } from "../domain/order.ts";
import { renderOrder } from "../domain/order-body.ts";
import type { Problem } from "../domain/problem.ts";
import type { Answer } from "../protocol/answer.ts";
import type { Overlay } from "./overlay.ts";
import type { EscrowDesk } from "./risk/escrow-desk.ts";
import type { ShardState } from "./state.ts";

/** An answer without who asked and without the times. */
export type AnswerPart = Pick<Answer, "status" | "kind" | "place" | "body">;

/** What a batch came to; for the metrics. */
export interface BatchCounts {
  /** New orders and refusals that were stored. */
  accepted: number;
  refused: number;
  triggered: number;
  quarantined: number;
}

/** What performing needs: the batch's view, its purses, its counters. */
export interface BatchParts {
  readonly overlay: Overlay;
  readonly desk: EscrowDesk;
  readonly state: ShardState;
  readonly counts: BatchCounts;
}

/** The answer to a command that nothing was stored for. */
export const problemAnswer = (problem: Problem): AnswerPart => ({
  status: CODES[problem.code].status,
  kind: "problem",
  place: null,
  body: JSON.stringify(problem),
});

/** An order as it now is. */
export const orderAnswer = (order: Order, state: ShardState): AnswerPart =>
  done(renderOrder(order, state.shard));

const done = (body: string, place: AnswerPart["place"] = null): AnswerPart => ({
  status: 200,
  kind: "final",
  place,
  body,
});

/** A decision that needs no bank any more. */
export type Settled = Exclude<Decision, { readonly kind: "short" }>;

export const perform = (parts: BatchParts, decision: Settled, command: Command): AnswerPart => {
  const { overlay, state, counts } = parts;
  switch (decision.kind) {
    case "placed": {
      const { event, children, after } = decision;
      const body =
        event.type === "order_accepted" ? overlay.accept(event, after) : overlay.add(event);
      for (const child of children) overlay.add(child);
      const isAccepted = event.type === "order_accepted";
      if (isAccepted) counts.accepted++;
      else counts.refused++;
      return { status: isAccepted ? 201 : 422, kind: "final", place: event.stamp, body };
    }
    case "replayed": {
      const { status, stamp, body } = decision.outcome;
      return { status: status === 201 ? 200 : status, kind: "replayed", place: stamp, body };
    }
    case "changed": {
      const { event, more } = decision;
      const body = overlay.add(event);
      for (const other of more) overlay.add(other);
      if (event.reason === "TRIGGERED") counts.triggered++;
      return done(body, event.stamp);
    }
    case "unchanged":
      return orderAnswer(decision.order, state);
    case "cancelled": {
      for (const event of decision.events) overlay.add(event);
      const cancelled = decision.orderIds.map(String);
      return done(JSON.stringify({ shard: state.shard, status: 200, cancelled }));
    }
    case "refused":
      return problemAnswer(decision.problem);
    case "ignored":
      return done(JSON.stringify(command.kind));
    case "executed":
      return performExecution(parts, decision, command);
    case "marked":
      if (decision.mark !== null) overlay.held.marked(decision.mark);
      return done(JSON.stringify({ status: decision.mark === null ? "ignored" : "applied" }));
    case "settings":
    case "trading_state": {
      const { event, body } = decision;
      if (event !== null) overlay.add(event);
      return done(body, event?.stamp);
    }
  }
};

const performExecution = (
  { overlay, desk, counts }: BatchParts,
  decision: Extract<Decision, { readonly kind: "executed" }>,
  command: Command,
): AnswerPart => {
  const { events, result, seen, quarantined, lastPriceUnits } = decision;
  for (const event of events) addExecuted(overlay, desk, event);
  if (seen !== null) overlay.held.executed(seen);
  const place = events[0]?.stamp ?? null;
  if (quarantined !== null && place !== null) {
    counts.quarantined++;
    overlay.held.quarantined({ ...quarantined, commitSeq: place.commitSeq });
  }
  if (lastPriceUnits !== null && command.kind === "execute") {
    overlay.held.traded(command.execution.symbol, lastPriceUnits);
  }
  return done(JSON.stringify(result), place);
};

/** The profit or loss of a fill goes to the bank from what is used right after its position. */
const addExecuted = (overlay: Overlay, desk: EscrowDesk, event: DomainEvent): void => {
  overlay.add(event);
  if (event.type === "position_changed" && overlay.risk === "margin") desk.realise(event);
};
