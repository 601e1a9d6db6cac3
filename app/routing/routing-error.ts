import { OperatingError } from "../../shards/process/failure.ts";

/**
 * - `shard_unavailable`, `overloaded`: nothing happened, certainly
 * - `outcome_unknown`: the operation was handed to the socket and no answer came by its deadline;
 *   or it was sent again after a reconnect, and a refusal of the second copy left the first unknown
 */
export type RoutingCode = "shard_unavailable" | "overloaded" | "outcome_unknown";

/** An operation got no answer. Every operation is safe to repeat, so all are retryable. */
export class RoutingError extends OperatingError {
  declare readonly code: RoutingCode;

  constructor(code: RoutingCode, message: string) {
    super(code, message, { retryable: true });
  }
}
