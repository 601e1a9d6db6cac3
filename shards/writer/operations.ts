/** What apis ask of a shard, each to the part that answers it. */
import type { Administration, Command, Query } from "../domain/command.ts";
import type { Problem } from "../domain/problem.ts";
import type { Clock } from "../process/clock.ts";
import { reasonOf } from "../process/failure.ts";
import type { Logger } from "../process/logger.ts";
import type { Registry } from "../process/metrics.ts";
import { NO_TIME } from "../protocol/answer.ts";
import type { Operation, OperationEntry } from "../protocol/operation.ts";
import type { ShardStatus } from "../protocol/status.ts";
import type { Admission } from "./admission.ts";
import { problemAnswer } from "./answers.ts";
import { answerQuery } from "./queries.ts";
import type { ShardState } from "./state.ts";
import type { WriterStore } from "./store-port.ts";
import type { Sender, Writer } from "./writer.ts";

export interface OperationsOptions {
  readonly shard: string;
  readonly state: ShardState;
  readonly writer: Writer;
  readonly store: WriterStore;
  readonly admission: Admission;
  readonly openOrdersMax: number;
  readonly hashKey: (key: string) => number;
  readonly status: () => ShardStatus;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The relay has to send everything again that central lacks. */
  readonly onResend: () => void;
}

export class Operations {
  readonly #options: OperationsOptions;

  constructor(options: OperationsOptions) {
    this.#options = options;
  }

  take(sender: Sender, { operation, requestId, deadlineAt }: OperationEntry): void {
    if (isAdministration(operation)) this.#administer(sender, requestId, operation);
    else if (isCommand(operation)) {
      this.#options.writer.submit(sender, requestId, deadlineAt, operation);
    } else this.#query(sender, requestId, operation);
  }

  #administer(sender: Sender, requestId: number, operation: Administration): void {
    const { writer, shard, onResend } = this.#options;
    if (operation.kind === "raise_partitions") {
      writer.raisePartitions(sender, requestId, operation.partitionCount);
      return;
    }
    onResend();
    const body = JSON.stringify({ shard });
    const answer = { status: 202, kind: "final", place: null, body } as const;
    sender.answer({ requestId, ...answer, timing: NO_TIME });
  }

  #query(sender: Sender, requestId: number, query: Query): void {
    const { admission, clock, registry, logger, writer } = this.#options;
    const refuse = (problem: Problem): void =>
      sender.answer({ requestId, ...problemAnswer(problem), timing: NO_TIME });
    // After a commit whose outcome is open, memory may say less than the next start will find.
    if (writer.state === "failed" && query.kind !== "status" && query.kind !== "metrics") {
      refuse({ code: "shard_unavailable", detail: "The shard is stopping." });
      return;
    }
    const context = {
      ...this.#options,
      admission: () => admission.problem(),
      now: () => clock.now(),
      metrics: () => registry.getMetricsAsJSON(),
    };
    answerQuery(context, query).then(
      (answer) => sender.answer({ requestId, ...answer, timing: NO_TIME }),
      (error: unknown) => {
        logger.error({ err: error, reason: reasonOf(error) }, "a query failed");
        refuse({ code: "internal_error", detail: "The shard could not answer." });
      },
    );
  }
}

const isAdministration = (operation: Operation): operation is Operation & Administration =>
  operation.kind === "raise_partitions" || operation.kind === "resend";

const COMMANDS: ReadonlySet<string> = new Set<(Operation & Command)["kind"]>([
  "place",
  "amend",
  "cancel",
  "cancel_many",
  "symbol_settings",
  "account_settings",
  "execute",
  "mark",
  "trading_state",
  "transfer",
]);
const isCommand = (
  operation: Exclude<Operation, Administration>,
): operation is Exclude<Operation, Administration | Query> => COMMANDS.has(operation.kind);
