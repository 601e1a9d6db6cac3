/** Runs the integrity check beside the writer; `onFound` gets what is wrong with the file. */
export const checkIntegrity = (path: string, onFound: (what: string) => void): (() => void) => {
  const thread = new Worker(new URL("./integrity-thread.ts", import.meta.url).href);
  thread.onmessage = ({ data }: MessageEvent<string | null>) => {
    thread.terminate();
    if (data !== null) onFound(data);
  };
  thread.postMessage(path);
  return () => thread.terminate();
};
