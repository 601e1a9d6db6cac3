/**
 * Runs a tree of processes: starts each, starts it again when it dies, and ends them all in order.
 * Each child holds an IPC channel to this process; the kernel closes it whatever ends this process,
 * and the children end with it. They are in a process group of their own, so that a Ctrl-C in the
 * terminal reaches this process alone and the order of the drain is kept.
 */
import type { Subprocess } from "bun";
import type { Clock } from "../../shards/process/clock.ts";
import { EXIT } from "../../shards/process/failure.ts";
import type { Logger } from "../../shards/process/logger.ts";
import {
  type ChildEffect,
  type ChildEvent,
  type ChildLife,
  firstStep,
  nextStep,
  type Step,
} from "./child-life.ts";

export interface ChildSpec {
  readonly name: string;
  readonly command: readonly string[];
  /** Added to the first start only, such as `--new-epoch`. */
  readonly firstStartArguments?: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

export interface SupervisorOptions {
  /** Drained one group after the other; those of a group together. */
  readonly drainGroups: readonly (readonly ChildSpec[])[];
  /** A child that has not ended this long after it was asked to is killed, ms. */
  readonly drainTimeMsMax: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface Supervisor {
  /**
   * When every child has said once that it serves: `serving`. When one refused to run before that:
   * its name; it has told why on stderr, and those that were started still run.
   */
  readonly started: Promise<"serving" | { readonly refused: string }>;
  /** Drains group after group; resolves when no process is left. */
  stop(): Promise<void>;
  /** Kills what still lives; `stop()` then resolves at once. */
  kill(): void;
}

/**
 * Starts the groups in the reverse order of their drain, each when the one before it serves: what
 * others connect to is there first.
 */
export const supervise = (options: SupervisorOptions): Supervisor => {
  const started = Promise.withResolvers<"serving" | { readonly refused: string }>();
  /** In the order of the drain; those that are not started yet are missing. */
  const groups: (readonly Child[])[] = [];
  let stopped: Promise<void> | undefined;
  const start = async (): Promise<void> => {
    for (const specs of options.drainGroups.toReversed()) {
      if (stopped !== undefined) return;
      const group = specs.map((spec) => new Child(spec, options, started.resolve));
      groups.unshift(group);
      await Promise.all(group.map((child) => child.served));
    }
    started.resolve("serving");
  };
  const stop = async (): Promise<void> => {
    for (const group of [...groups]) await Promise.all(group.map((child) => child.stop()));
  };
  void start();
  return {
    started: started.promise,
    stop: () => {
      stopped ??= stop();
      return stopped;
    },
    kill: () => {
      for (const child of groups.flat()) child.kill();
    },
  };
};

/** One child: performs what its machine says, and tells the machine what happened. */
class Child {
  readonly #spec: ChildSpec;
  readonly #options: SupervisorOptions;
  readonly #onRefusal: (refusal: { readonly refused: string }) => void;
  readonly #served = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<void>();
  #life: ChildLife;
  #process: Subprocess | undefined;
  #pause: Timer | undefined;
  #drainLimit: Timer | undefined;
  #starts = 0;

  constructor(
    spec: ChildSpec,
    options: SupervisorOptions,
    onRefusal: (refusal: { readonly refused: string }) => void,
  ) {
    this.#spec = spec;
    this.#options = options;
    this.#onRefusal = onRefusal;
    const first = firstStep();
    this.#life = first.life;
    this.#take(first);
  }

  /** Resolves when it serves for the first time. */
  get served(): Promise<void> {
    return this.#served.promise;
  }

  stop(): Promise<void> {
    this.#tell({ type: "stop" });
    return this.#ended.promise;
  }

  kill(): void {
    this.#tell({ type: "kill" });
  }

  #tell(event: ChildEvent): void {
    this.#take(nextStep(this.#life, event));
  }

  #take(step: Step): void {
    this.#life = step.life;
    for (const effect of step.effects) this.#perform(effect);
    if (this.#life.state === "serving") this.#served.resolve();
    if (this.#life.state === "refused") this.#onRefusal({ refused: this.#spec.name });
    if (this.#life.state === "ended") {
      clearTimeout(this.#drainLimit);
      this.#ended.resolve();
    }
  }

  #perform(effect: ChildEffect): void {
    switch (effect.type) {
      case "spawn":
        this.#spawn();
        return;
      case "pause":
        this.#pause = setTimeout(() => this.#tell({ type: "pauseOver" }), effect.pauseMs);
        return;
      case "endPause":
        clearTimeout(this.#pause);
        return;
      case "askToDrain":
        this.#process?.kill("SIGTERM");
        this.#drainLimit = setTimeout(() => {
          this.#options.logger.warn({ child: this.#spec.name }, "drain took too long: killed");
          this.#tell({ type: "kill" });
        }, this.#options.drainTimeMsMax);
        return;
      case "kill":
        this.#process?.kill("SIGKILL");
    }
  }

  #spawn(): void {
    const { clock, logger } = this.#options;
    const { name, command, environment, firstStartArguments = [] } = this.#spec;
    const startedAtMs = clock.monotonicMs();
    const extra = this.#starts === 0 ? firstStartArguments : [];
    this.#starts += 1;
    this.#process = Bun.spawn({
      cmd: [...command, ...extra],
      env: environment,
      stdio: ["ignore", "ignore", "inherit"],
      detached: true,
      ipc: (message: unknown) => {
        if (isReady(message)) this.#tell({ type: "ready" });
      },
      onExit: (_process, code, signal) => {
        const upMs = Math.round(clock.monotonicMs() - startedAtMs);
        // One that refuses its first start has said why, and its supervisor's owner is told.
        const isRefusal = this.#life.state === "starting" && code === EXIT.wrongUse;
        if (this.#life.state !== "stopping" && !isRefusal) {
          logger.warn({ child: name, code, signal, upMs }, "child ended");
        }
        this.#tell(code === EXIT.wrongUse ? { type: "refusedToRun" } : { type: "died", upMs });
      },
    });
  }
}

const isReady = (message: unknown): boolean =>
  typeof message === "object" && message !== null && "type" in message && message.type === "ready";
