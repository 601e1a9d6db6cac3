import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import type { Socket } from "bun";
import { systemClock } from "../../shards/process/clock.ts";
import { createLogger } from "../../shards/process/logger.ts";
import { type ChildSpec, type Supervisor, supervise } from "./supervisor.ts";

const FIXTURES = join(import.meta.dir, "fixtures");

interface Told {
  readonly name: string;
  readonly event: "started" | "draining" | "gone";
  readonly pid: number;
  readonly arguments: readonly string[];
}

/** The test's end of every fake child's socket. */
class Stage {
  readonly told: Told[] = [];
  readonly #sockets = new Map<string, Socket<{ child?: Told }>>();
  readonly #waiting: { matches: (told: Told) => boolean; resolve: (told: Told) => void }[] = [];
  readonly #server = Bun.listen<{ child?: Told }>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open: (socket) => {
        socket.data = {};
      },
      data: (socket, data) => {
        for (const line of data.toString().trim().split("\n")) {
          const told = JSON.parse(line) as Told;
          socket.data.child = told;
          this.#sockets.set(told.name, socket);
          this.#hear(told);
        }
      },
      close: (socket) => {
        if (socket.data.child !== undefined) this.#hear({ ...socket.data.child, event: "gone" });
      },
    },
  });

  get port(): string {
    return String(this.#server.port);
  }

  /** The next such event that nobody has waited for yet. */
  next(name: string, event: Told["event"]): Promise<Told> {
    const matches = (told: Told): boolean => told.name === name && told.event === event;
    const index = this.told.findIndex((told) => matches(told) && !this.#taken.has(told));
    const known = this.told[index];
    if (known !== undefined) {
      this.#taken.add(known);
      return Promise.resolve(known);
    }
    return new Promise((resolve) => this.#waiting.push({ matches, resolve }));
  }

  say(name: string, command: string): void {
    const socket = this.#sockets.get(name);
    if (socket === undefined) throw new Error(`${name} has not connected`);
    socket.write(`${command}\n`);
    socket.flush();
  }

  /** `api started`, `api draining`, … in the order in which they came. */
  get story(): readonly string[] {
    return this.told.map(({ name, event }) => `${name} ${event}`);
  }

  close(): void {
    this.#server.stop(true);
  }

  readonly #taken = new Set<Told>();

  #hear(told: Told): void {
    this.told.push(told);
    const index = this.#waiting.findIndex(({ matches }) => matches(told));
    if (index < 0) return;
    this.#taken.add(told);
    this.#waiting.splice(index, 1)[0]?.resolve(told);
  }
}

const lives = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe("the supervisor", () => {
  let stage: Stage;
  let supervisor: Supervisor | undefined;

  const child = (name: string, more: Partial<ChildSpec> = {}): ChildSpec => ({
    name,
    command: [process.execPath, join(FIXTURES, "fake-child.ts"), name, stage.port],
    environment: {},
    ...more,
  });
  const start = (drainGroups: ChildSpec[][], drainTimeMsMax = 60_000): Supervisor => {
    supervisor = supervise({
      drainGroups,
      drainTimeMsMax,
      clock: systemClock,
      logger: createLogger("test", "silent"),
    });
    return supervisor;
  };
  const allReady = async (...names: readonly string[]): Promise<void> => {
    for (const name of names) {
      await stage.next(name, "started");
      stage.say(name, "ready");
    }
  };

  beforeEach(() => {
    stage = new Stage();
  });
  afterEach(async () => {
    supervisor?.kill();
    await supervisor?.stop();
    supervisor = undefined;
    stage.close();
  });

  test("starts what drains last first, and has started when every child serves", async () => {
    const { started } = start([[child("api")], [child("shard1"), child("shard2")]]);
    let serving = false;
    void started.then(() => {
      serving = true;
    });
    await allReady("shard2");
    await stage.next("shard1", "started");
    expect(stage.story).not.toContain("api started");
    stage.say("shard1", "ready");
    await stage.next("api", "started");
    expect(serving).toBe(false);
    stage.say("api", "ready");
    expect(await started).toBe("serving");
  });

  test("stops in the middle of a start, and starts nothing more", async () => {
    const { stop } = start([[child("api")], [child("shard1")]]);
    await stage.next("shard1", "started");
    const stopped = stop();
    await stage.next("shard1", "draining");
    stage.say("shard1", "ready");
    stage.say("shard1", "exit 0");
    await stopped;
    expect(stage.story).toEqual(["shard1 started", "shard1 draining", "shard1 gone"]);
  });

  test.each([["exit 1"], ["exit 0"], ["exit 70"]])("starts a child again after %s", async (how) => {
    const { started } = start([[child("shard1")]]);
    const first = await stage.next("shard1", "started");
    stage.say("shard1", "ready");
    await started;
    stage.say("shard1", how);
    const second = await stage.next("shard1", "started");
    expect(second.pid).not.toBe(first.pid);
  });

  test("starts a child again that was killed, without what was for the first start only", async () => {
    start([[child("shard1", { firstStartArguments: ["--new-epoch"] })]]);
    const first = await stage.next("shard1", "started");
    process.kill(first.pid, "SIGKILL");
    const second = await stage.next("shard1", "started");
    expect([first.arguments, second.arguments]).toEqual([["--new-epoch"], []]);
  });

  test("a child that refuses to run at the first start is named", async () => {
    const { started } = start([[child("shard1")], [child("applier")]]);
    await allReady("applier");
    await stage.next("shard1", "started");
    stage.say("shard1", "exit 2");
    expect(await started).toEqual({ refused: "shard1" });
  });

  test("a child that refuses to run later stays down, and the others go on", async () => {
    const { started } = start([[child("api")], [child("shard1")]]);
    await allReady("shard1", "api");
    await started;
    stage.say("shard1", "exit 2");
    await stage.next("shard1", "gone");
    stage.say("api", "exit 1");
    const again = await stage.next("api", "started");
    expect(lives(again.pid)).toBe(true);
    expect(stage.story.filter((line) => line === "shard1 started")).toHaveLength(1);
  });

  test("a child that cannot start again at once, as when its port is taken, is tried again", async () => {
    const { started } = start([[child("shard1")]]);
    await allReady("shard1");
    await started;
    stage.say("shard1", "exit 1");
    await stage.next("shard1", "started");
    stage.say("shard1", "exit 2");
    const third = await stage.next("shard1", "started");
    expect(lives(third.pid)).toBe(true);
  });

  test("drains group after group, those of a group together", async () => {
    const { started, stop } = start([
      [child("api")],
      [child("shard1"), child("shard2")],
      [child("applier")],
    ]);
    await allReady("applier", "shard1", "shard2", "api");
    await started;
    const from = stage.told.length;
    const stopped = stop();
    for (const group of [["api"], ["shard1", "shard2"], ["applier"]]) {
      for (const name of group) await stage.next(name, "draining");
      for (const name of group) {
        stage.say(name, "exit 0");
        await stage.next(name, "gone");
      }
    }
    await stopped;
    const story = stage.story.slice(from);
    expect(story.slice(0, 2)).toEqual(["api draining", "api gone"]);
    expect(story.slice(2, 4).toSorted()).toEqual(["shard1 draining", "shard2 draining"]);
    expect(story.slice(4)).toEqual([
      "shard1 gone",
      "shard2 gone",
      "applier draining",
      "applier gone",
    ]);
    expect(stage.told.filter(({ pid }) => lives(pid))).toEqual([]);
  });

  test("kills a child whose drain takes too long", async () => {
    const { started, stop } = start([[child("shard1")]], 50);
    await allReady("shard1");
    await started;
    const stopped = stop();
    const { pid } = await stage.next("shard1", "draining");
    await stopped;
    expect(lives(pid)).toBe(false);
  });

  test("kill ends everything at once, and a stop under way with it", async () => {
    const { started, stop, kill } = start([[child("api")], [child("applier")]]);
    await allReady("applier", "api");
    await started;
    const stopped = stop();
    await stage.next("api", "draining");
    kill();
    await stopped;
    expect(stage.told.filter(({ pid }) => lives(pid))).toEqual([]);
    expect(stage.story).not.toContain("applier draining");
  });

  test("children end by themselves when the supervisor is killed with -9", async () => {
    const killed = Bun.spawn([process.execPath, join(FIXTURES, "fake-supervisor.ts"), stage.port], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    await allReady("applier");
    await stage.next("shard1", "started");
    killed.kill("SIGKILL");
    await killed.exited;
    await stage.next("shard1", "gone");
    await stage.next("applier", "gone");
    expect(stage.story).not.toContain("shard1 draining");
  });
});
