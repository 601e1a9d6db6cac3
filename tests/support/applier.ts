/** For unit tests of a shard's connections to central: an applier that answers as it is told. */
import { expect } from "bun:test";
import type { Server, ServerWebSocket } from "bun";
import { OperatingError } from "../../shards/process/failure.ts";
import { decodeFrame, encodeFrame, type Frame } from "../../shards/protocol/frame.ts";

export type Peer = ServerWebSocket<undefined>;

/** An applier that answers as it is told. */
export class FakeApplier {
  readonly frames: Frame[] = [];
  readonly #server: Server<undefined>;
  onFrame: (frame: Frame, socket: Peer) => void;
  closed = Promise.withResolvers<void>();

  constructor(onFrame: (frame: Frame, socket: Peer) => void) {
    this.onFrame = onFrame;
    this.#server = Bun.serve<undefined>({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (request, server) =>
        server.upgrade(request, { data: undefined })
          ? undefined
          : new Response("no socket", { status: 426 }),
      websocket: {
        message: (socket, message) => {
          const frame = decodeFrame(String(message));
          this.frames.push(frame);
          this.onFrame(frame, socket);
        },
        close: () => this.closed.resolve(),
      },
    });
  }

  get url(): string {
    return `ws://127.0.0.1:${this.#server.port}`;
  }

  stop(): Promise<void> {
    return this.#server.stop(true);
  }
}

export const say = (socket: Peer, kind: string, ...entries: unknown[]): void => {
  socket.sendText(
    encodeFrame(
      kind,
      entries.map((entry) => JSON.stringify(entry)),
    ),
  );
};

/** How it failed; throws on when that is no failure of operation. */
export const reasonFor = async (promise: Promise<unknown>): Promise<unknown> => {
  try {
    return await promise;
  } catch (error) {
    if (!(error instanceof OperatingError)) throw error;
    return { code: error.code, retryable: error.retryable, message: error.message };
  }
};
export const unreachable = (message: RegExp) => ({
  code: "central_unreachable",
  retryable: true,
  message: expect.stringMatching(message),
});
