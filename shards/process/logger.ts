import { type Logger, pino, stdTimeFunctions } from "pino";

export type { Logger };

export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** JSON lines on stderr, written at once so that a dying process loses none. */
export const createLogger = (processName: string, level: LogLevel): Logger =>
  pino(
    {
      level,
      base: { process: processName, pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
    },
    pino.destination({ fd: 2, sync: true }),
  );
