import { watchThread } from "../process/thread.ts";

export type CheckResult =
  /** `found` is what is wrong with the file, null when all is well. */
  | { readonly kind: "done"; readonly found: string | null }
  /** The check could not be made: nothing is known of the file. */
  | { readonly kind: "failed"; readonly reason: string };

/** Runs the integrity check beside the writer. Gives the function that ends it early. */
export const checkIntegrity = (
  path: string,
  onResult: (result: CheckResult) => void,
): (() => Promise<void>) => {
  const thread = new Worker(new URL("./integrity-thread.ts", import.meta.url).href);
  const end = watchThread(thread, (reason) => onResult({ kind: "failed", reason }));
  thread.onmessage = ({ data }: MessageEvent<CheckResult>) => {
    void end();
    onResult(data);
  };
  thread.postMessage(path);
  return end;
};
