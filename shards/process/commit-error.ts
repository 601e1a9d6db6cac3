import { OperatingError } from "./failure.ts";

/**
 * The batch's transaction failed. `definite`: it is gone and nothing of it will ever be seen.
 * Otherwise it may be in the log, and only a recovery can tell.
 */
export class CommitError extends OperatingError {
  readonly definite: boolean;

  constructor(definite: boolean, cause: unknown) {
    super("commit_failed", "commit batch", { retryable: definite, cause });
    this.definite = definite;
  }
}
