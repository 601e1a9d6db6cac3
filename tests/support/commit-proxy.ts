/**
 * A TCP proxy before MySQL that breaks connections around a COMMIT. Whoever sent it then can't know
 * whether it stands.
 */

import type { AddressInfo } from "node:net";
import { connect, createServer, type Server, type Socket } from "node:net";

/** Where a COMMIT is cut. */
export type CutKind =
  /** The server gets it all but its last bytes, so that nothing stands. */
  | "in the question"
  /** The server gets it and its answer is kept back, so that all of it stands. */
  | "before the answer"
  /** Right after it was sent on: what the server makes of it is left to chance. */
  | "at once"
  /** The server never gets the end of it, the connection stays: a transaction is open until it ends. */
  | "held"
  /** The server gets it, its answer never comes, the connection stays: all of it stands. */
  | "unanswered";

/** Asked at every COMMIT; null lets it pass. */
export type Cutter = () => CutKind | null;

const COMMIT = Buffer.from("COMMIT");

export class CommitProxy {
  /** How often each was done. */
  readonly cuts = new Map<CutKind, number>();
  cutter: Cutter = () => null;
  readonly #target: URL;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  /** `mysqlUrl`: where the server is. */
  static async start(mysqlUrl: string): Promise<CommitProxy> {
    const proxy = new CommitProxy(new URL(mysqlUrl));
    const { promise, resolve } = Promise.withResolvers<void>();
    proxy.#server.listen(0, "127.0.0.1", resolve);
    await promise;
    return proxy;
  }

  private constructor(target: URL) {
    this.#target = target;
    this.#server = createServer((client) => this.#join(client, target));
  }

  /** The same database, through here. */
  get url(): string {
    const url = new URL(this.#target);
    url.hostname = "127.0.0.1";
    url.port = String((this.#server.address() as AddressInfo).port);
    return url.href;
  }

  #join(client: Socket, target: URL): void {
    const server = connect(Number(target.port), target.hostname);
    const end = (): void => {
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      this.#sockets.add(socket);
      socket.on("error", end);
      socket.on("close", () => {
        this.#sockets.delete(socket);
        end();
      });
    }
    let deaf: CutKind | null = null;
    server.on("data", (chunk: Buffer) => {
      if (deaf === "before the answer") end();
      else if (deaf === null && !client.write(chunk)) pauseUntilDrained(server, client);
    });
    client.on("data", (chunk: Buffer) => {
      // The statement is the last of its packet, so it is the end of what was sent.
      const kind = chunk.subarray(-COMMIT.length).equals(COMMIT) ? this.cutter() : null;
      if (kind !== null) this.cuts.set(kind, (this.cuts.get(kind) ?? 0) + 1);
      if (kind === "before the answer" || kind === "unanswered") deaf = kind;
      const isWhole = kind !== "in the question" && kind !== "held";
      const sent = isWhole ? chunk : chunk.subarray(0, -COMMIT.length);
      const ended = kind === "in the question" || kind === "at once";
      const flowing = server.write(sent, ended ? end : undefined);
      if (!flowing) pauseUntilDrained(client, server);
    });
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

const pauseUntilDrained = (from: Socket, to: Socket): void => {
  from.pause();
  to.once("drain", () => from.resume());
};
