/** One WebSocket from a shard to the applier: greeting, then whatever frames follow. */
import { OperatingError } from "../process/failure.ts";
import { decodeFrame, encodeFrame, type Frame } from "../protocol/frame.ts";
import {
  APPLIER_PATH,
  type ApplierWelcome,
  HELLO,
  type Hello,
  readApplierWelcome,
  WELCOME,
} from "../protocol/hello.ts";

export interface ApplierSocket {
  readonly welcome: ApplierWelcome;
  send(kind: string, entries: readonly string[]): void;
  close(): void;
}

const CONNECT_TIMEOUT_MS = 3000;

const unreachable = (url: string, why: string): OperatingError =>
  new OperatingError("central_unreachable", `applier at ${url}: ${why}`, { retryable: true });

/**
 * Connects to `ws://host:port` and greets. `onFrame` gets every later frame, `onLost` the end of the connection.
 * Throws a retryable OperatingError when nobody answers within three seconds.
 */
export const connectApplier = (
  url: string,
  hello: Hello,
  handlers: {
    readonly onFrame: (frame: Frame) => void;
    readonly onLost: (error: OperatingError) => void;
  },
): Promise<ApplierSocket> => {
  const { promise, resolve, reject } = Promise.withResolvers<ApplierSocket>();
  const socket = new WebSocket(`${url}${APPLIER_PATH}`);
  let greeted = false;
  const fail = (why: string): void => {
    clearTimeout(timer);
    const error = unreachable(url, why);
    reject(error);
    if (greeted) handlers.onLost(error);
    greeted = false;
    socket.close();
  };
  const timer = setTimeout(() => fail("no answer"), CONNECT_TIMEOUT_MS);
  const send = (kind: string, entries: readonly string[]): void =>
    socket.send(encodeFrame(kind, entries));
  socket.onopen = () => send(HELLO, [JSON.stringify(hello)]);
  socket.onerror = () => fail("not reachable");
  socket.onclose = (event) => fail(event.reason || "the connection was closed");
  socket.onmessage = (event) => {
    try {
      const frame = decodeFrame(String(event.data));
      if (greeted) return handlers.onFrame(frame);
      if (frame.kind !== WELCOME) return fail(`unexpected ${frame.kind}`);
      clearTimeout(timer);
      greeted = true;
      resolve({
        welcome: readApplierWelcome(frame.entries),
        send,
        close: () => {
          greeted = false;
          socket.close();
        },
      });
    } catch (error) {
      fail(String(error));
    }
  };
  return promise;
};
