/** Between the writer's thread and the relay's. */
import type { KafkaSettings } from "../process/kafka.ts";
import type { LogLevel } from "../process/logger.ts";
import type { RelayReport } from "./relay.ts";

export interface RelayStart {
  readonly path: string;
  readonly shard: string;
  readonly epoch: number;
  readonly centralId: string;
  readonly applierUrl: string;
  readonly clusterSecret: string;
  /** The broker between here and central; null: records go straight to the applier. */
  readonly kafka: KafkaSettings | null;
  readonly logLevel: LogLevel;
}

export type ToRelay =
  | { readonly type: "start"; readonly start: RelayStart }
  | { readonly type: "committed" }
  | { readonly type: "pause"; readonly paused: boolean }
  | { readonly type: "resend" }
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
