import { codeOf, OperatingError } from "../../../shards/process/failure.ts";

/** As `fetch`; a server that is not there is said in a few words. */
export const askHttp = async (
  url: string,
  { msMax, headers = {} }: { msMax: number; headers?: Readonly<Record<string, string>> },
): Promise<Response> => {
  try {
    return await fetch(url, { headers, signal: AbortSignal.timeout(msMax) });
  } catch (error) {
    const isLate = error instanceof Error && error.name === "TimeoutError";
    const why = isLate ? `within ${msMax / 1000} s` : `(${codeOf(error) ?? "no connection"})`;
    throw new OperatingError("unreachable", `${new URL(url).pathname} is not answered ${why}`, {
      retryable: true,
      cause: error,
    });
  }
};
