/**
 * What MySQL's errors mean: something that passes, content that is refused, or a defect. The
 * numbers are those of MySQL's server error reference.
 */
import { OperatingError, reasonOf } from "../../../shards/process/failure.ts";

/** What the server or the connection says; the server's own errors have a positive number. */
interface MysqlError {
  readonly errno?: unknown;
  readonly code?: unknown;
  readonly fatal?: unknown;
}

/** This content can't be stored, in whatever company: trying again is no use. */
export class ContentRefusal extends Error {
  override readonly name = "ContentRefusal";
}

export const ER = {
  unknownDatabase: 1049,
  duplicateEntry: 1062,
} as const;

/** Values that do not fit their columns, constraints, and what a trigger refuses. */
const CONTENT = new Set([
  1048, // null where there must be a value
  ER.duplicateEntry,
  1118, // row too large
  1153, // longer than max_allowed_packet
  1216, // foreign keys, if somebody added one
  1264, // out of range
  1265, // cut off
  1292, // wrong value
  1364, // no default
  1366, // characters the column can't hold
  1406, // too long
  1451,
  1452,
  1644, // SIGNAL
  1690, // number out of range
  3819, // CHECK
]);

/** What an operator, another server or time itself puts right, while the records wait. */
const PASSING = new Set([
  3, // error writing a file
  1021, // disk full
  1026, // error writing a file
  1028, // sort aborted
  1030, // storage engine, such as no space
  1037, // out of memory
  1038,
  1040, // too many connections
  1041, // out of memory
  1043, // handshake
  1044, // rights that were taken away: an operator gives them back
  1045,
  1053, // shutdown
  1077,
  1078,
  1079,
  1114, // table full: the disk's or the tablespace's end
  1129, // host blocked
  1130,
  1142, // rights
  1143,
  1152, // connection aborted
  1158, // network
  1159,
  1160,
  1161,
  1180, // error during COMMIT
  1181,
  1184,
  1203, // too many connections of this user
  1205, // lock wait
  1206, // too many locks
  1213, // deadlock
  1226, // a limit of the user
  1227, // rights
  1290, // read only, after a failover
  1317, // interrupted
  1402, // rolled back by a failover
  1613, // XA
  1614,
  1636,
  1792, // read only transaction
  1836, // read only mode
  1862, // password expired
  1927, // killed
  3024, // too slow for the server's limit
  3032, // offline mode
  3058, // deadlock of named locks
  3098, // group replication refuses
  3100, // replication hook, such as no quorum
  3101, // group replication rolled it back
  3118, // account locked
  3168, // server not available
  3169, // killed
  3572, // no lock at once
  3797, // group replication
  4031, // closed after too long a silence
]);

/** Of a person's making, at the start: rights, password, name of the database. */
const SETTING = new Set([1044, 1045, ER.unknownDatabase, 1130, 1142, 1227, 1698, 1862, 3118]);

const numberOf = (error: unknown): number => {
  const { errno } = (error ?? {}) as MysqlError;
  return typeof errno === "number" ? errno : 0;
};

const isOfServer = (error: unknown): boolean => numberOf(error) > 0;

/** What the driver says, without a code, to those who want a connection after the end. */
const POOL_CLOSED = "Pool is closed.";

/** No answer, or none any more: sockets, names, timeouts, a pool that was closed. */
const isOfConnection = (error: unknown): boolean => {
  if (!(error instanceof Error) || isOfServer(error)) return false;
  const { code, fatal } = error as MysqlError;
  if (typeof code !== "string") return fatal === true || error.message === POOL_CLOSED;
  // Node's ERR_… are wrong arguments: defects.
  return /^(E[A-Z_]+|PROTOCOL_\w+|HANDSHAKE_\w+)$/.test(code) && !code.startsWith("ERR_");
};

export const isErrno = (error: unknown, errno: number): boolean => numberOf(error) === errno;

export const isContentRefusal = (error: unknown): boolean =>
  error instanceof ContentRefusal || CONTENT.has(numberOf(error));

/** Whether MYSQL_URL itself is to be put right. */
export const isOfSetting = (error: unknown): boolean =>
  SETTING.has(numberOf(error)) || /^HANDSHAKE_/.test(String((error as MysqlError | null)?.code));

/** An error of MySQL as an operating failure "verb noun"; a broken invariant stays what it is. */
export const mysqlFailure = (what: string, error: unknown): unknown => {
  if (!(isOfServer(error) || isOfConnection(error))) return error;
  const retryable = isOfConnection(error) || PASSING.has(numberOf(error));
  return new OperatingError("central_store_failed", `${what}: ${describe(error)}`, {
    retryable,
    cause: error,
  });
};

/** With the code, since some have no message (Node's errors for several addresses). */
export const describe = (error: unknown): string => {
  const { code } = (error ?? {}) as MysqlError;
  return [typeof code === "string" ? code : "", reasonOf(error)].filter(Boolean).join(" ");
};
