/** One `sluice` command that serves HTTP, on an empty folder, with ways to break its processes. */
import {
  allEnded,
  childrenOf,
  environmentWith,
  makeFolder,
  SLUICE,
  type Started,
  startProcess,
} from "./processes.ts";
import { raiseTopic, storesOf } from "./stores.ts";
import { until } from "./until.ts";

export const JWT_SECRET = "a-secret-of-the-contract-tests-only-0123456789";
const START_MS_MAX = 60_000;

export class System {
  private constructor(
    private readonly started: Started,
    readonly address: string,
    private readonly folder: string,
  ) {}

  /**
   * `dev`, with `settings` on top of a fixed secret for tokens; ready when this resolves. Without
   * margin and matching engine unless the settings ask for them, and never with the paper engine.
   */
  static async start(settings: Readonly<Record<string, string>> = {}, command = "dev") {
    const folder = makeFolder();
    const stores = await storesOf(folder);
    const engine = command === "dev" ? ["--no-match"] : [];
    const flags = ["--port", "0", "--data-dir", folder, ...engine];
    const started = startProcess([...SLUICE, command, ...flags], {
      environment: environmentWith({
        SLUICE_JWT_SECRET: JWT_SECRET,
        SLUICE_RISK: "none",
        SLUICE_VENUE: "none",
        ...stores,
        ...settings,
      }),
    });
    const [address] = await started.says(/http:\/\/[\d.:]+/, START_MS_MAX);
    const system = new System(started, address, folder);
    await until(`${command} is ready`, START_MS_MAX, () => system.isReady());
    return system;
  }

  async isReady(): Promise<boolean> {
    return (await fetch(`${this.address}/readyz`)).ok;
  }

  /** What all processes wrote on stderr so far. */
  get log(): string {
    return this.started.stderr();
  }

  /** The pid of `api`, `applier` or a shard's writer; undefined while there is none. */
  pidOf(name: string): number | undefined {
    const words = name.startsWith("shard") ? `shard --shard ${name}` : name;
    return childrenOf(this.started.pid, new RegExp(`main\\.ts ${words}( |$)`))[0];
  }

  /** Runs `work` while the process hangs. */
  async whileStopped<T>(name: string, work: () => Promise<T>): Promise<T> {
    const pid = this.pidOf(name);
    if (pid === undefined) throw new Error(`there is no process ${name}`);
    process.kill(pid, "SIGSTOP");
    try {
      return await work();
    } finally {
      process.kill(pid, "SIGCONT");
    }
  }

  /** Kills a shard's writer and holds its successor at its start while `work` runs. */
  async whileDown<T>(shard: string, work: () => Promise<T>): Promise<T> {
    const killed = this.pidOf(shard);
    if (killed === undefined) throw new Error(`there is no process ${shard}`);
    process.kill(killed, "SIGKILL");
    await until(`${shard} is started again`, START_MS_MAX, () => {
      const pid = this.pidOf(shard);
      return pid !== undefined && pid !== killed;
    });
    try {
      return await this.whileStopped(shard, async () => {
        await until(`${shard} is missed`, START_MS_MAX, async () => !(await this.isReady()));
        return await work();
      });
    } finally {
      await until(`${shard} is back`, START_MS_MAX, () => this.isReady());
    }
  }

  /** What `sluice partitions raise` does before it asks the shards. */
  raiseTopic(partitions: number): Promise<void> {
    return raiseTopic(this.folder, partitions);
  }

  /** Drains; throws when it does not end well or a process is left. */
  async stop(): Promise<void> {
    this.started.kill("SIGTERM");
    const exitCode = await this.started.ended();
    if (exitCode !== 0) throw new Error(`ended with ${exitCode}: ${this.log}`);
    await allEnded(this.folder);
  }
}
