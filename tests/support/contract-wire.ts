/** HTTP as bytes on a socket, for what no client library would send. */
import { connect } from "node:net";

export interface WireAnswer {
  readonly status: number;
  /** Names in small letters. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface Wire {
  /** Writes as it is, one byte a character. */
  write(text: string): void;
  /** No more is sent; answers may still come. */
  end(): void;
  /** As a client that dies. */
  destroy(): void;
  /** The next answer; undefined when the server closed the connection without one. */
  answer(): Promise<WireAnswer | undefined>;
  /** Resolves when the connection is closed, by whomever. */
  readonly closed: Promise<void>;
}

export const openWire = async (address: string): Promise<Wire> => {
  const { hostname, port } = new URL(address);
  const socket = connect(Number(port), hostname);
  const closed = Promise.withResolvers<void>();
  let received = "";
  let isClosed = false;
  let wake = (): void => {};
  socket.on("data", (bytes) => {
    received += bytes.toString("latin1");
    wake();
  });
  // A reset is a way to close; what was received before it counts.
  socket.on("error", () => {});
  socket.on("close", () => {
    isClosed = true;
    closed.resolve();
    wake();
  });
  await new Promise<void>((resolve) => socket.once("connect", resolve));
  const answer = async (): Promise<WireAnswer | undefined> => {
    for (;;) {
      const taken = takeAnswer(received, isClosed);
      if (taken !== undefined) {
        received = taken.rest;
        return taken.answer;
      }
      if (isClosed) return undefined;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  return {
    write: (text) => void socket.write(text, "latin1"),
    end: () => void socket.end(),
    destroy: () => void socket.destroy(),
    answer,
    closed: closed.promise,
  };
};

/** The first whole answer of a text; a body without a length lasts until the close. */
const takeAnswer = (text: string, isClosed: boolean) => {
  const head = /^HTTP\/1\.1 (\d{3})[^\r\n]*\r\n([\s\S]*?\r\n)?\r\n/.exec(text);
  if (head === null) return undefined;
  const [whole, status, lines = ""] = head;
  const headers = Object.fromEntries(
    [...lines.matchAll(/^([^:\r\n]+): ?([^\r\n]*)\r\n/gm)].map(([, name = "", value = ""]) => [
      name.toLowerCase(),
      value,
    ]),
  );
  const length = headers["content-length"];
  const end = whole.length + Number(length ?? 0);
  if (text.length < end || (length === undefined && status !== "204" && !isClosed))
    return undefined;
  const body = text.slice(whole.length, length === undefined ? undefined : end);
  const answer: WireAnswer = { status: Number(status), headers, body };
  return { answer, rest: length === undefined ? "" : text.slice(end) };
};
