import { join } from "node:path";
import { ROOT } from "../support/machine.ts";
import { type Child, cleanEnvironment, startChild } from "./child.ts";

/** The bare echo of `echo-main.ts` as a process of its own. */
export const startEcho = (folder: string): Promise<Child> =>
  startChild({
    name: "echo",
    command: [process.execPath, join(ROOT, "bench/system/echo-main.ts")],
    environment: cleanEnvironment(),
    folder,
  });
