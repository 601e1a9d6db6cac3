/**
 * The open-loop generator: request k is due at k ÷ rate, whatever became of the ones before, and
 * its time is counted from then. A server that stalls meets all that was due meanwhile, and a
 * request that finds every connection busy waits on its own account. Closed-loop generators leave
 * out exactly these (Tene, "How not to measure latency").
 *
 * With rate 0 each connection sends as soon as it can: that is the generator's own ceiling.
 * Prints one line, `RESULT <json>`, an {@link OpenLoopResult}.
 */
import { latencyOf } from "../support/statistics.ts";
import type { GroupLatency, OpenLoopOptions, OpenLoopResult } from "./open-loop.ts";
import { FIRST_NUMBER } from "./orders.ts";

/** How long the last answers may take before they count as lost. */
const LAST_ANSWERS_MS = 5000;
const EXPECTED = "HTTP/1.1 201 ";
const SHED = "HTTP/1.1 503 ";

interface Connection {
  /** When the request under way was due, ms; -1 while idle. */
  dueMs: number;
  /** Of the request under way. */
  group: string | undefined;
  received: string;
  write(text: string): void;
  end(): void;
}

class OpenLoop {
  readonly #options: OpenLoopOptions;
  readonly #latencies: Float64Array;
  readonly #delays: Float64Array;
  readonly #groups = new Map<string, number[]>();
  readonly #periodMs: number;
  readonly #idle: Connection[] = [];
  /** Due times of requests that found no idle connection, oldest first from `#waitingFrom`. */
  readonly #waiting: number[] = [];
  #waitingFrom = 0;
  #startMs = 0;
  #endMs = 0;
  #scheduled = 0;
  #recorded = 0;
  #delaysRecorded = 0;
  #underWay = 0;
  #refused = 0;
  #shed = 0;
  readonly #accepted: number[] = [];
  #acceptedInTime = 0;
  #lost = 0;
  #number = FIRST_NUMBER;
  readonly #finished = Promise.withResolvers<void>();

  constructor(options: OpenLoopOptions) {
    this.#options = options;
    const { perSecond, seconds, warmUpSeconds } = options;
    const expected = (perSecond === 0 ? 200_000 : perSecond * 1.01) * seconds + 1000;
    this.#latencies = new Float64Array(Math.ceil(expected));
    this.#delays = new Float64Array(Math.ceil(expected));
    this.#periodMs = perSecond === 0 ? 0 : 1000 / perSecond;
    this.#endMs = (warmUpSeconds + seconds) * 1000;
  }

  async run(): Promise<OpenLoopResult> {
    const { port, connections, perSecond, warmUpSeconds } = this.#options;
    const all: Connection[] = [];
    for (let i = 0; i < connections; i++) all.push(await this.#connect(port));
    this.#idle.push(...all);
    const cpuBefore = process.cpuUsage();
    this.#startMs = performance.now();
    if (perSecond === 0) for (const one of [...this.#idle]) this.#send(one, this.#nowMs());
    this.#tick();
    await this.#finished.promise;
    const cpu = process.cpuUsage(cpuBefore);
    for (const connection of all) connection.end();
    const measuredSeconds = (this.#endMs - warmUpSeconds * 1000) / 1000;
    return {
      scheduledPerSecond: perSecond,
      answers: this.#recorded,
      perSecond: this.#recorded / measuredSeconds,
      refused: this.#refused,
      shed: this.#shed,
      lost: this.#lost,
      latencyMs: latencyOf(this.#latencies.subarray(0, this.#recorded)),
      accepted: groupOf(this.#accepted),
      acceptedPerSecond: this.#acceptedInTime / measuredSeconds,
      groups: Object.fromEntries([...this.#groups].map(([name, ms]) => [name, groupOf(ms)])),
      sendDelayMs: latencyOf(this.#delays.subarray(0, this.#delaysRecorded)),
      cpuSeconds: (cpu.user + cpu.system) / 1e6,
    };
  }

  async #connect(port: number): Promise<Connection> {
    const { promise, resolve } = Promise.withResolvers<Connection>();
    await Bun.connect<Connection>({
      hostname: "127.0.0.1",
      port,
      socket: {
        open: (socket) => {
          const write = (text: string): void => void socket.write(text);
          const end = (): void => void socket.end();
          socket.data = { dueMs: -1, group: undefined, received: "", write, end };
          resolve(socket.data);
        },
        data: ({ data }, bytes) => this.#receive(data, bytes),
        close: ({ data }) => this.#closed(data),
      },
    });
    return promise;
  }

  #nowMs(): number {
    return performance.now() - this.#startMs;
  }

  #tick(): void {
    const now = this.#nowMs();
    if (now >= this.#endMs) {
      this.#finishWhenAnswered(now);
      return;
    }
    this.#sendDue(now);
    setTimeout(() => this.#tick(), 1);
  }

  #sendDue(now: number): void {
    if (this.#periodMs === 0) return;
    for (;;) {
      const dueMs = this.#scheduled * this.#periodMs;
      if (dueMs > now || dueMs >= this.#endMs) return;
      this.#scheduled++;
      const connection = this.#idle.pop();
      if (connection === undefined) this.#waiting.push(dueMs);
      else {
        this.#recordDelay(now, dueMs);
        this.#send(connection, dueMs);
      }
    }
  }

  #send(connection: Connection, dueMs: number): void {
    const { templates } = this.#options;
    this.#number++;
    const template = templates[this.#number % templates.length];
    connection.dueMs = dueMs;
    connection.group = template?.group;
    this.#underWay++;
    connection.write(`${template?.head}${this.#number}${template?.tail}`);
  }

  #receive(connection: Connection, bytes: Buffer): void {
    if (connection.dueMs < 0) return;
    connection.received += bytes.toString("latin1");
    const { received } = connection;
    const headEnd = received.indexOf("\r\n\r\n");
    if (headEnd < 0) return;
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(received)?.[1]);
    if (received.length < headEnd + 4 + length) return;
    this.#count(this.#nowMs(), connection);
    connection.received = "";
    this.#answer(connection);
  }

  #count(now: number, { dueMs, received }: Connection): void {
    const isAccepted = received.startsWith(EXPECTED);
    if (!isAccepted) this.#refused++;
    else if (this.#isMeasured(now) && now < this.#endMs) this.#acceptedInTime++;
    if (!this.#isMeasured(dueMs)) return;
    if (isAccepted) this.#accepted.push(now - dueMs);
    else if (received.startsWith(SHED)) this.#shed++;
  }

  #answer(connection: Connection): void {
    const now = this.#nowMs();
    this.#record(now, connection);
    connection.dueMs = -1;
    this.#underWay--;
    if (this.#periodMs === 0 && now < this.#endMs) {
      this.#send(connection, now);
      return;
    }
    const waitingMs = this.#waiting[this.#waitingFrom];
    if (waitingMs === undefined) {
      this.#idle.push(connection);
    } else {
      this.#waitingFrom++;
      this.#send(connection, waitingMs);
    }
    this.#sendDue(now);
  }

  #record(now: number, { dueMs, group }: Connection): void {
    if (!this.#isMeasured(dueMs) || this.#recorded >= this.#latencies.length) return;
    this.#latencies[this.#recorded++] = now - dueMs;
    if (group === undefined) return;
    const known = this.#groups.get(group);
    if (known === undefined) this.#groups.set(group, [now - dueMs]);
    else known.push(now - dueMs);
  }

  #recordDelay(now: number, dueMs: number): void {
    if (!this.#isMeasured(dueMs) || this.#delaysRecorded >= this.#delays.length) return;
    this.#delays[this.#delaysRecorded++] = now - dueMs;
  }

  #isMeasured(ms: number): boolean {
    return ms >= this.#options.warmUpSeconds * 1000;
  }

  #closed(connection: Connection): void {
    if (connection.dueMs < 0) return;
    connection.dueMs = -1;
    this.#underWay--;
    this.#lost++;
  }

  #finishWhenAnswered(now: number): void {
    const waiting = this.#waiting.length - this.#waitingFrom;
    if (this.#underWay === 0 || now > this.#endMs + LAST_ANSWERS_MS) {
      this.#lost += this.#underWay + waiting;
      this.#finished.resolve();
      return;
    }
    setTimeout(() => this.#finishWhenAnswered(this.#nowMs()), 5);
  }
}

const groupOf = (ms: readonly number[]): GroupLatency => ({
  answers: ms.length,
  ...latencyOf(Float64Array.from(ms)),
});

const options = (await Bun.file(process.argv[2] ?? "").json()) as OpenLoopOptions;
console.log(`RESULT ${JSON.stringify(await new OpenLoop(options).run())}`);
process.exit();
