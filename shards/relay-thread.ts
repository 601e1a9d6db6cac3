/**
 * Entry point of the relay's thread: its own read-only connection on the shard's file and its own
 * connections to broker and central, so that slow or dead ones never delay a commit.
 */
import { systemClock } from "./process/clock.ts";
import { createLogger } from "./process/logger.ts";
import { ApplierView } from "./relay/central-view.ts";
import { DirectTransport } from "./relay/direct-transport.ts";
import { KafkaTransport } from "./relay/kafka-transport.ts";
import type { FromRelay, RelayStart, ToRelay } from "./relay/messages.ts";
import { Relay } from "./relay/relay.ts";
import { JournalReader } from "./store/journal.ts";
import { openForReading } from "./store/open.ts";

declare const self: Worker;

const tell = (message: FromRelay): void => self.postMessage(message);

const tellState = (state: "connecting" | "running", reason: string | null): void =>
  tell({ type: "state", state, reason });

const start = (options: RelayStart): Relay => {
  const { path, shard, epoch, centralId, applierUrl, clusterSecret, kafka } = options;
  const hello = { role: "shard", name: shard, secret: clusterSecret } as const;
  const logger = createLogger(`${shard}/relay`, options.logLevel);
  const relay = new Relay({
    outbox: new JournalReader(openForReading(path), shard, epoch),
    transport:
      kafka === null
        ? new DirectTransport(applierUrl, hello)
        : new KafkaTransport({ settings: kafka, logger, onState: tellState }),
    central: kafka === null ? null : new ApplierView(applierUrl, hello),
    centralId,
    clock: systemClock,
    logger,
    onReport: (report) => tell({ type: "report", report }),
    onIdle: () => tell({ type: "idle" }),
    onState: tellState,
    onRefused: (reason) => tell({ type: "refused", reason }),
  });
  void relay.run();
  return relay;
};

let relay: Relay | undefined;

self.onmessage = ({ data }: MessageEvent<ToRelay>) => {
  switch (data.type) {
    case "start":
      relay = start(data.start);
      return;
    case "committed":
      relay?.notify();
      return;
    case "pause":
      relay?.setPaused(data.paused);
      return;
    case "resend":
      relay?.resend();
      return;
    case "close":
      relay?.close();
      return;
  }
};
