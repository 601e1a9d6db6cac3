/** Turns a batch of commands into one transaction's writes and everybody's answers. */
import { CODES } from "../domain/codes.ts";
import type { Command } from "../domain/command.ts";
import { type Decision, decide } from "../domain/decide.ts";
import type { Order } from "../domain/order.ts";
import { renderOrder } from "../domain/order-body.ts";
import type { Problem } from "../domain/problem.ts";
import type { Answer } from "../protocol/answer.ts";
import type { Waiting } from "./intake-queue.ts";
import type { Overlay } from "./overlay.ts";
import type { ShardState } from "./state.ts";

/** An answer without the times, which are known only after the commit. */
export type Draft<Sender> = Omit<Answer, "timing"> & { readonly sender: Sender };

/** New orders and refusals among a batch's commands; for the metrics. */
export interface BatchCounts {
  accepted: number;
  refused: number;
}

/** Decides every command in order. Nothing outside the overlay changes. */
export const decideBatch = <Sender>(
  batch: readonly Waiting<Sender>[],
  overlay: Overlay,
  state: ShardState,
  now: number,
): { readonly drafts: readonly Draft<Sender>[]; readonly counts: BatchCounts } => {
  const counts = { accepted: 0, refused: 0 };
  const drafts: Draft<Sender>[] = [];
  for (const { sender, requestId, command } of batch) {
    const decision = decide(overlay, command, now);
    const answer = perform(decision, command, overlay, state, counts);
    drafts.push({ sender, requestId, ...answer });
  }
  return { drafts, counts };
};

/** An answer without who asked and without the times. */
export type AnswerPart = Pick<Answer, "status" | "kind" | "place" | "body">;

/** The answer to a command that nothing was stored for. */
export const problemAnswer = (problem: Problem): AnswerPart => ({
  status: CODES[problem.code].status,
  kind: "problem",
  place: null,
  body: JSON.stringify(problem),
});

const perform = (
  decision: Decision,
  command: Command,
  overlay: Overlay,
  state: ShardState,
  counts: BatchCounts,
): AnswerPart => {
  switch (decision.kind) {
    case "placed": {
      const { event } = decision;
      const body = overlay.add(event);
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
      const body = overlay.add(decision.event);
      return { status: 200, kind: "final", place: decision.event.stamp, body };
    }
    case "unchanged":
      return orderAnswer(decision.order, state);
    case "cancelled": {
      for (const event of decision.events) overlay.add(event);
      const cancelled = decision.events.map(({ order }) => String(order.orderId));
      const body = JSON.stringify({ shard: state.shard, status: 200, cancelled });
      return { status: 200, kind: "final", place: null, body };
    }
    case "refused":
      return problemAnswer(decision.problem);
    case "ignored":
      return { status: 200, kind: "final", place: null, body: `"${command.kind}"` };
  }
};

/** An order as it now is. */
export const orderAnswer = (order: Order, state: ShardState): AnswerPart => ({
  status: 200,
  kind: "final",
  place: null,
  body: renderOrder(order, state.shard),
});
