/**
 * A shard for unit tests: the real protocol over a real WebSocket, and a test in the place of the
 * writer. Everything that it meets can be awaited.
 */
import { CODES, type Code } from "../../shards/domain/codes.ts";
import { ANSWERS, type Answer, encodeAnswer } from "../../shards/protocol/answer.ts";
import { decodeFrame, encodeFrame } from "../../shards/protocol/frame.ts";
import { HELLO, type Hello, readHello, SHARD_PATH, WELCOME } from "../../shards/protocol/hello.ts";
import { decodeOperation, type OperationEntry } from "../../shards/protocol/operation.ts";

/** What came, in order; whoever takes before it came waits. */
export class Inbox<T> {
  private readonly arrived: T[] = [];
  private readonly takers: ((value: T) => void)[] = [];

  put(value: T): void {
    const taker = this.takers.shift();
    if (taker === undefined) this.arrived.push(value);
    else taker(value);
  }

  take(): Promise<T> {
    const value = this.arrived.shift();
    if (value !== undefined) return Promise.resolve(value);
    return new Promise((resolve) => this.takers.push(resolve));
  }

  get waiting(): number {
    return this.arrived.length;
  }
}

type Socket = Bun.ServerWebSocket<undefined>;

export interface FakeShardOptions {
  /** The name in its welcome. */
  readonly shard: string;
  readonly epoch?: number;
  readonly port?: number;
  /** Sent in place of a welcome. */
  readonly greeting?: string;
}

export class FakeShard {
  readonly hellos = new Inbox<Hello>();
  /** The operations of each frame. */
  readonly frames = new Inbox<readonly OperationEntry[]>();
  readonly port: number;
  private readonly server: Bun.Server<undefined>;
  private readonly sockets = new Set<Socket>();

  constructor({ shard, epoch = 1, port = 0, greeting }: FakeShardOptions) {
    const welcome = { shard, shardIndex: 1, epoch, centralId: "central" };
    const first = greeting ?? encodeFrame(WELCOME, [JSON.stringify(welcome)]);
    this.server = Bun.serve({
      hostname: "127.0.0.1",
      port,
      fetch: (request, server) => {
        const isOurs = new URL(request.url).pathname === SHARD_PATH && server.upgrade(request);
        return isOurs ? undefined : new Response("not here", { status: 404 });
      },
      websocket: {
        data: undefined,
        open: (socket) => void this.sockets.add(socket),
        close: (socket) => void this.sockets.delete(socket),
        message: (socket, text) => {
          const { kind, entries } = decodeFrame(String(text));
          if (kind === HELLO) {
            socket.send(first);
            this.hellos.put(readHello(entries));
          } else {
            this.frames.put(entries.map(decodeOperation));
          }
        },
      },
    });
    this.port = this.server.port ?? 0;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}`;
  }

  send(text: string | Uint8Array<ArrayBuffer>): void {
    for (const socket of this.sockets) socket.send(text);
  }

  /** Answers each with a body that names its request. */
  answer(...entries: readonly OperationEntry[]): void {
    this.send(encodeFrame(ANSWERS, entries.map(answerTo).map(encodeAnswer)));
  }

  /** Refuses each, having stored nothing for it. */
  refuse(code: Code, ...entries: readonly OperationEntry[]): void {
    const refusal = {
      kind: "problem",
      status: CODES[code].status,
      place: null,
      body: JSON.stringify({ code, detail: "no" }),
    } as const;
    const answers = entries.map((entry) => encodeAnswer({ ...answerTo(entry), ...refusal }));
    this.send(encodeFrame(ANSWERS, answers));
  }

  /** As a process that dies: the socket is gone without a word. */
  cut(): void {
    for (const socket of this.sockets) socket.terminate();
  }

  async stop(): Promise<void> {
    await this.server.stop(true);
  }
}

export const answerTo = ({ requestId }: OperationEntry): Answer => ({
  requestId,
  status: 200,
  kind: "final",
  place: { partition: 0, epoch: 1, seq: requestId },
  timing: { queueUs: 0, decideUs: 0, commitUs: 0 },
  body: `{"request":${requestId}}`,
});
