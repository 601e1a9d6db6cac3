import type { Database } from "bun:sqlite";
import { Checkpointer } from "../../shards/store/checkpointer.ts";

/** As a shard has it; its thread's death ends the benchmark. */
export const startCheckpointer = (
  database: Database,
  path: string,
  walBytesMax: number,
): Checkpointer =>
  new Checkpointer(database, {
    path,
    walBytesMax,
    onPressure: () => {},
    onDied: (reason) => {
      throw new Error(`the checkpoint thread died: ${reason}`);
    },
  });
