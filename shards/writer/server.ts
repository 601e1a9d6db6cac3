/**
 * The shard's socket: apis connect here, send operations and get answers and progress; other shards
 * connect and say what their banks and purses have to say.
 */
import { timingSafeEqual } from "node:crypto";
import type { Server, ServerWebSocket } from "bun";
import type { BankMessage } from "../domain/escrow/messages.ts";
import { reasonOf, UsageError } from "../process/failure.ts";
import type { Logger } from "../process/logger.ts";
import {
  ANSWERS,
  type Answer,
  DRAINING,
  encodeAnswer,
  encodeProgress,
  PROGRESS,
  type Progress,
} from "../protocol/answer.ts";
import { BANK, decodeBankMessage } from "../protocol/bank.ts";
import { decodeFrame, encodeFrame, FrameError } from "../protocol/frame.ts";
import { HELLO, readHello, SHARD_PATH, type ShardWelcome, WELCOME } from "../protocol/hello.ts";
import { decodeOperation, OPERATIONS, type OperationEntry } from "../protocol/operation.ts";

const MESSAGE_BYTES_MAX = 16 * 1024 ** 2;
/** Bun closes a socket that is silent for longer; its own pings keep a live one open. */
const IDLE_SECONDS = 30;

/** One connected api. Answers of a turn leave in one frame. */
export class ApiConnection {
  readonly #socket: ServerWebSocket<SocketData>;
  #answers: string[] = [];

  constructor(socket: ServerWebSocket<SocketData>) {
    this.#socket = socket;
  }

  answer(answer: Answer): void {
    this.#answers.push(encodeAnswer(answer));
    if (this.#answers.length === 1) queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.send(ANSWERS, this.#answers);
    this.#answers = [];
  }

  send(kind: string, entries: readonly string[]): void {
    this.#socket.sendText(encodeFrame(kind, entries));
  }
}

interface SocketData {
  /** null until its hello, and for another shard. */
  connection: ApiConnection | null;
  isPeer: boolean;
}

export interface ShardServerOptions {
  readonly host: string;
  readonly port: number;
  readonly clusterSecret: string;
  readonly welcome: ShardWelcome;
  readonly onOperation: (connection: ApiConnection, entry: OperationEntry) => void;
  readonly onBankMessage: (message: BankMessage) => void;
  readonly progress: () => readonly Progress[];
  /** Plain HTTP beside the socket: health and metrics of this process. */
  readonly onHttp: (path: string) => Promise<Response> | Response;
  readonly logger: Logger;
}

export interface ShardServer {
  readonly port: number;
  /** To every connected api. */
  broadcastProgress(progress: readonly Progress[]): void;
  sayDraining(): void;
  stop(): Promise<void>;
}

export const startShardServer = (options: ShardServerOptions): ShardServer => {
  const connections = new Set<ApiConnection>();
  const server = serve(options, connections);
  const broadcast = (kind: string, entries: readonly string[]): void => {
    for (const connection of connections) connection.send(kind, entries);
  };
  return {
    port: server.port ?? options.port,
    broadcastProgress: (progress) => broadcast(PROGRESS, progress.map(encodeProgress)),
    sayDraining: () => broadcast(DRAINING, []),
    stop: () => server.stop(true),
  };
};

const serve = (
  options: ShardServerOptions,
  connections: Set<ApiConnection>,
): Server<SocketData> => {
  const { host, port, logger } = options;
  try {
    return Bun.serve<SocketData>({
      hostname: host,
      port,
      fetch: (request, bunServer) => {
        const path = new URL(request.url).pathname;
        if (path !== SHARD_PATH) return options.onHttp(path);
        // Browsers send it with every WebSocket, our processes never: no web page may speak here.
        if (request.headers.has("origin")) {
          return new Response("not for web pages", { status: 403 });
        }
        const upgraded = bunServer.upgrade(request, { data: nobody() });
        return upgraded ? undefined : new Response("a WebSocket is expected", { status: 426 });
      },
      websocket: {
        maxPayloadLength: MESSAGE_BYTES_MAX,
        idleTimeout: IDLE_SECONDS,
        sendPings: true,
        perMessageDeflate: false,
        backpressureLimit: 4 * MESSAGE_BYTES_MAX,
        closeOnBackpressureLimit: true,
        message: (socket, message) => {
          try {
            receive(options, connections, socket, String(message));
          } catch (error) {
            if (!(error instanceof FrameError)) throw error;
            logger.warn({ reason: reasonOf(error) }, "a client was disconnected");
            socket.close(1002, reasonOf(error).slice(0, 100));
          }
        },
        close: (socket) => {
          if (socket.data.connection !== null) connections.delete(socket.data.connection);
        },
      },
    });
  } catch (error) {
    throw new UsageError(
      `SLUICE_SHARD_LISTEN: cannot listen on ${host}:${port} (${reasonOf(error)}): ` +
        "stop what uses it, or name another address.",
      { cause: error },
    );
  }
};

const nobody = (): SocketData => ({ connection: null, isPeer: false });

const receive = (
  options: ShardServerOptions,
  connections: Set<ApiConnection>,
  socket: ServerWebSocket<SocketData>,
  message: string,
): void => {
  const { kind, entries } = decodeFrame(message);
  const { connection, isPeer } = socket.data;
  if (connection !== null && kind === OPERATIONS) {
    for (const entry of entries) options.onOperation(connection, decodeOperation(entry));
    return;
  }
  if (isPeer && kind === BANK) {
    for (const entry of entries) options.onBankMessage(decodeBankMessage(entry));
    return;
  }
  if (connection !== null || isPeer || kind !== HELLO) throw new FrameError(`unexpected ${kind}`);
  const { secret, role } = readHello(entries);
  if (!sameSecret(secret, options.clusterSecret)) throw new FrameError("wrong cluster secret");
  const greeted = new ApiConnection(socket);
  greeted.send(WELCOME, [JSON.stringify(options.welcome)]);
  socket.data.isPeer = role === "shard";
  if (socket.data.isPeer) return;
  socket.data.connection = greeted;
  connections.add(greeted);
  greeted.send(PROGRESS, options.progress().map(encodeProgress));
};

const digest = (text: string): Uint8Array => Bun.SHA256.hash(text) as Uint8Array;

const sameSecret = (given: string, expected: string): boolean =>
  timingSafeEqual(digest(given), digest(expected));
