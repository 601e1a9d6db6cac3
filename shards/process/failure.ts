/** Exit codes of every command. */
export const EXIT = { well: 0, problemFound: 1, wrongUse: 2, brokenInvariant: 70 } as const;

/** Something outside failed: a disk, a socket, another process. Never a business outcome. */
export class OperatingError extends Error {
  override readonly name = "OperatingError";
  readonly code: string;
  readonly retryable: boolean;

  constructor(
    code: string,
    message: string,
    options: { readonly retryable: boolean; readonly cause?: unknown },
  ) {
    super(message, { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable;
  }
}

/**
 * The person who started this must do something else: a wrong setting, a taken port, a damaged
 * file. The message names the setting, its value and the way out; the process ends with exit 2.
 */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** A thing that cannot be, is: the process must die, and start is recovery. */
export class BrokenInvariant extends Error {
  override readonly name = "BrokenInvariant";
}

/** Throws {@link BrokenInvariant} unless `holds`; `what` names the invariant. */
export function invariant(holds: boolean, what: string): asserts holds {
  if (!holds) throw new BrokenInvariant(what);
}

/** A `catch`'s value as a sentence. */
export const reasonOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

/** The `code` of a system or SQLite error (`ENOSPC`, `SQLITE_FULL`), if it has one. */
export const codeOf = (error: unknown): string | undefined => {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : undefined;
};
