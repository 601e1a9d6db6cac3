/**
 * Entry point of the relay's thread: its own read-only connection on the shard's file and its own
 * connection to central, so that a slow or dead central never delays a commit.
 */
import { createLogger } from "./process/logger.ts";
import { DirectTransport } from "./relay/direct-transport.ts";
import type { FromRelay, RelayStart, ToRelay } from "./relay/messages.ts";
import { Relay } from "./relay/relay.ts";
import { JournalReader } from "./store/journal.ts";
import { openForReading } from "./store/open.ts";

declare const self: Worker;

const tell = (message: FromRelay): void => self.postMessage(message);

const start = (options: RelayStart): Relay => {
  const { path, shard, epoch, centralId, applierUrl, clusterSecret } = options;
  const relay = new Relay({
    outbox: new JournalReader(openForReading(path), shard, epoch),
    transport: new DirectTransport(applierUrl, {
      role: "shard",
      name: shard,
      secret: clusterSecret,
    }),
    centralId,
    logger: createLogger(`${shard}/relay`, options.logLevel),
    onReport: (report) => tell({ type: "report", report }),
    onIdle: () => tell({ type: "idle" }),
    onState: (state, reason) => tell({ type: "state", state, reason }),
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
    case "close":
      relay?.close();
      return;
  }
};
