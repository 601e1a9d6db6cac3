/** A TCP proxy that can lose an answer: the server has done what was asked, the client never hears. */
import type { Socket } from "bun";

export class CuttingProxy {
  readonly url: string;
  /** Connections that were cut. */
  cuts = 0;
  #needle: string | null = null;
  readonly #sockets = new Set<{ end(): void; terminate(): void }>();
  readonly #server;

  constructor(target: string) {
    const url = new URL(target);
    const to = { hostname: url.hostname, port: Number(url.port) };
    const proxy = this;
    this.#server = Bun.listen<{ up: Socket | null; early: Uint8Array[]; deaf: boolean }>({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        open(client) {
          client.data = { up: null, early: [], deaf: false };
          proxy.#sockets.add(client);
          void Bun.connect({
            ...to,
            socket: {
              open(up) {
                proxy.#sockets.add(up);
                client.data.up = up;
                for (const chunk of client.data.early) up.write(chunk);
              },
              data(_up, chunk) {
                if (!client.data.deaf) client.write(chunk);
                else client.terminate();
              },
              close: () => void client.end(),
            },
          });
        },
        data(client, chunk) {
          if (proxy.#needle !== null && Buffer.from(chunk).includes(proxy.#needle)) {
            proxy.#needle = null;
            proxy.cuts++;
            client.data.deaf = true;
          }
          if (client.data.up === null) client.data.early.push(new Uint8Array(chunk));
          else client.data.up.write(chunk);
        },
        close: (client) => void client.data.up?.end(),
      },
    });
    url.hostname = "127.0.0.1";
    url.port = String(this.#server.port);
    this.url = url.href;
  }

  /** The answer to the next packet with that text is lost, and its connection with it. */
  loseAnswerTo(text: string): void {
    this.#needle = text;
  }

  close(): void {
    this.#server.stop(true);
    for (const socket of this.#sockets) socket.terminate();
  }
}
