/** Between the writer's thread and the relay's. */
import type { LogLevel } from "../process/logger.ts";
import type { RelayReport } from "./relay.ts";

export interface RelayStart {
  readonly path: string;
  readonly shard: string;
  readonly epoch: number;
  readonly centralId: string;
  readonly applierUrl: string;
  readonly clusterSecret: string;
  readonly logLevel: LogLevel;
}

export type ToRelay =
  | { readonly type: "start"; readonly start: RelayStart }
  | { readonly type: "committed" }
  | { readonly type: "pause"; readonly paused: boolean }
  | { readonly type: "close" };

export type FromRelay =
  | { readonly type: "report"; readonly report: RelayReport }
  /** Everything that was committed when it looked is carried: it waits for `committed`. */
  | { readonly type: "idle" }
  | {
      readonly type: "state";
      readonly state: "connecting" | "running";
      readonly reason: string | null;
    }
  | { readonly type: "refused"; readonly reason: string };
