/**
 * Commands that wait for their batch, in arrival order. When the queue is over half full, accounts
 * with a cancel in it go first, each with all that it sent before that cancel: so a cancel passes
 * other accounts' new orders, and never one of its own.
 */
import type { Command } from "../domain/command.ts";

export interface Waiting<Sender> {
  readonly sender: Sender;
  readonly requestId: number;
  /** Milliseconds since 1970. */
  readonly deadlineAt: number;
  readonly command: Command;
  /** Monotonic milliseconds. */
  readonly arrivedMs: number;
}

export class IntakeQueue<Sender> {
  readonly #max: number;
  #waiting: Waiting<Sender>[] = [];

  constructor(max: number) {
    this.#max = max;
  }

  get length(): number {
    return this.#waiting.length;
  }

  get isFull(): boolean {
    return this.#waiting.length >= this.#max;
  }

  push(waiting: Waiting<Sender>): void {
    this.#waiting.push(waiting);
  }

  /** Takes at most `most` commands, the next batch. */
  take(most: number): readonly Waiting<Sender>[] {
    if (this.#waiting.length <= most) {
      const all = this.#waiting;
      this.#waiting = [];
      return all;
    }
    if (this.#waiting.length > this.#max / 2) this.#waiting = cancelsFirst(this.#waiting);
    return this.#waiting.splice(0, most);
  }
}

const isCancel = (command: Command): boolean =>
  command.kind === "cancel" || command.kind === "cancel_many";

const cancelsFirst = <Sender>(waiting: readonly Waiting<Sender>[]): Waiting<Sender>[] => {
  const lastCancel = new Map<number, number>();
  for (const [place, { command }] of waiting.entries()) {
    if (isCancel(command) && "accountId" in command) lastCancel.set(command.accountId, place);
  }
  const passes = ({ command }: Waiting<Sender>, place: number): boolean =>
    "accountId" in command && place <= (lastCancel.get(command.accountId) ?? -1);
  return [...waiting.filter(passes), ...waiting.filter((one, place) => !passes(one, place))];
};
