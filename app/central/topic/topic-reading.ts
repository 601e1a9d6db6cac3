import { OperatingError, reasonOf } from "../../../shards/process/failure.ts";
import { ensureTopic, type TopicShape } from "./topic-admin.ts";
import { TopicIntake, type TopicIntakeOptions } from "./topic-intake.ts";

export interface TopicReadingOptions extends TopicIntakeOptions {
  /** Of a topic that is not there yet. */
  readonly topic: TopicShape;
}

export interface TopicReading {
  /** Bounded in time. */
  stop(): Promise<void>;
}

const RETRY_MS = 2000;

/** Sees that the topic is there, then reads it until stopped. A broker that is away is waited for. */
export const readTopic = (options: TopicReadingOptions): TopicReading => {
  const stopping = Promise.withResolvers<void>();
  let isStopping = false;
  const run = async (): Promise<void> => {
    while (!isStopping && !(await isThere(options))) {
      await Promise.race([stopping.promise, Bun.sleep(RETRY_MS)]);
    }
    if (isStopping) return;
    const intake = new TopicIntake(options);
    intake.start();
    await stopping.promise;
    await intake.stop();
  };
  const running = run();
  return {
    stop: () => {
      isStopping = true;
      stopping.resolve();
      return running;
    },
  };
};

/** What a person has to put right is said again and again: nothing is applied until then. */
const isThere = async ({ settings, topic, logger }: TopicReadingOptions): Promise<boolean> => {
  try {
    await ensureTopic(settings, topic, logger);
    return true;
  } catch (error) {
    const level = error instanceof OperatingError ? "warn" : "error";
    logger[level]({ topic: settings.topic }, `the topic is not read: ${reasonOf(error)}`);
    return false;
  }
};
