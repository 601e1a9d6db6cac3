/** What goes first when there is not room for all, in the shard's queue and on the way to it. */
import type { Command } from "../domain/command.ts";
import type { Operation } from "./operation.ts";

/** False for what may open or is in no hurry. True for cancels, executions, marks, questions, what only reduces. */
export const passesNewOrders = (operation: Command | Operation): boolean => {
  switch (operation.kind) {
    case "place":
      return operation.request.reduceOnly || operation.request.closePosition;
    case "amend":
    case "symbol_settings":
    case "account_settings":
    case "transfer":
      return false;
    default:
      return true;
  }
};

/** How many operations may wait where `max` new orders may. */
export const roomFor = (operation: Command | Operation, max: number): number =>
  passesNewOrders(operation) ? 2 * max : max;
