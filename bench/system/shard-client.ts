/** Speaks to a shard's socket as an api does, without HTTP. */
import { ANSWERS, type Answer, decodeAnswer } from "../../shards/protocol/answer.ts";
import { decodeFrame, encodeFrame } from "../../shards/protocol/frame.ts";
import { HELLO, type Hello, SHARD_PATH, WELCOME } from "../../shards/protocol/hello.ts";
import { encodeOperation, OPERATIONS, type Operation } from "../../shards/protocol/operation.ts";

const DEADLINE_MS = 30_000;

export class ShardClient {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  readonly #welcomed = Promise.withResolvers<void>();
  #requestId = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    const hello: Hello = { role: "api", name: "benchmark", secret: "" };
    socket.onopen = () => socket.send(encodeFrame(HELLO, [JSON.stringify(hello)]));
    socket.onmessage = ({ data }) => this.#receive(String(data));
    socket.onclose = ({ reason }) => this.#welcomed.reject(new Error(`shard: ${reason}`));
  }

  /** Resolves when the shard has welcomed this client. */
  static async connect(port: number): Promise<ShardClient> {
    const client = new ShardClient(new WebSocket(`ws://127.0.0.1:${port}${SHARD_PATH}`));
    await client.#welcomed.promise;
    return client;
  }

  /** Sends all in one frame; the answers stand in the order of the operations. */
  send(operations: readonly Operation[]): Promise<Answer[]> {
    const deadlineAt = Date.now() + DEADLINE_MS;
    const answers: Promise<Answer>[] = [];
    const entries = operations.map((operation) => {
      this.#requestId++;
      const requestId = this.#requestId;
      const { promise, resolve } = Promise.withResolvers<Answer>();
      this.#waiting.set(requestId, resolve);
      answers.push(promise);
      return encodeOperation({ requestId, deadlineAt, operation });
    });
    this.#socket.send(encodeFrame(OPERATIONS, entries));
    return Promise.all(answers);
  }

  #receive(text: string): void {
    const { kind, entries } = decodeFrame(text);
    if (kind === WELCOME) this.#welcomed.resolve();
    if (kind !== ANSWERS) return;
    for (const entry of entries) {
      const answer = decodeAnswer(entry);
      this.#waiting.get(answer.requestId)?.(answer);
      this.#waiting.delete(answer.requestId);
    }
  }

  close(): void {
    this.#socket.onclose = null;
    this.#socket.close();
  }
}
