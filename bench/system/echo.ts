import { join } from "node:path";
import { ROOT } from "../support/machine.ts";
import { type Child, cleanEnvironment, startChild } from "./child.ts";

/** The bare echo of `echo-main.ts` as a process of its own; `raw` without Hono. */
export const startEcho = (folder: string, kind: "hono" | "raw" = "hono"): Promise<Child> =>
  startChild({
    name: "echo",
    command: [process.execPath, join(ROOT, "bench/system/echo-main.ts"), kind],
    environment: cleanEnvironment(),
    folder,
  });
