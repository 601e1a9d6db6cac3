/** Connections to the central MySQL: the URL, the session that all statements count on, the pool. */
import { readFileSync } from "node:fs";
import {
  createConnection,
  createPool,
  type Pool,
  type PoolConnection,
  type PoolOptions,
} from "mysql2/promise";
import { reasonOf, UsageError } from "../../../shards/process/failure.ts";
import { describe, ER, isErrno, isOfSetting, mysqlFailure } from "./mysql-failure.ts";

/** After this a server that says nothing counts as gone; longer than every lock's wait. */
const QUERY_MS_MAX = 60_000;
const CONNECT_MS_MAX = 10_000;
const LOCK_WAIT_SECONDS = 5;

/** Nothing is cut off or guessed, reads see the newest commit, and quotes are escaped as we do. */
const SESSION = `SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,\
ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION',
  transaction_isolation = 'READ-COMMITTED', innodb_lock_wait_timeout = ${LOCK_WAIT_SECONDS},
  autocommit = 1`;

const TLS_MODES = ["DISABLED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"] as const;
type TlsMode = (typeof TLS_MODES)[number];

export type SqlValue = string | number | null;

/** A connection in a session of ours. Errors are MySQL's own. */
export class MysqlConnection {
  readonly #connection: PoolConnection;

  constructor(connection: PoolConnection) {
    this.#connection = connection;
  }

  /** One statement, or several without values: then an array, one result each. */
  async query(
    sql: string,
    values: readonly SqlValue[] = [],
    timeout = QUERY_MS_MAX,
  ): Promise<unknown> {
    const [result] = await this.#connection.query({ sql, timeout }, [...values]);
    return result;
  }

  /** Rows of one SELECT. BIGINTs are numbers up to 2^53 and text beyond, DECIMALs text. */
  async rows<Row>(
    sql: string,
    values: readonly SqlValue[] = [],
    timeout = QUERY_MS_MAX,
  ): Promise<Row[]> {
    return (await this.query(sql, values, timeout)) as Row[];
  }
}

/** `mysql://user[:password]@host[:port]/database[?ssl-mode=…&ssl-ca=…]`, read. */
export interface MysqlAddress {
  readonly database: string;
  /** Host, port and database: fit for messages. */
  readonly shown: string;
  readonly options: PoolOptions;
}

/** Throws UsageError naming MYSQL_URL; no message has the password. */
export const readMysqlUrl = (text: string): MysqlAddress => {
  const url = URL.parse(text);
  if (url === null || url.protocol !== "mysql:" || url.hostname === "") {
    throw new UsageError(
      "MYSQL_URL is no URL of the form mysql://user:password@host:3306/database",
    );
  }
  const database = decode(url.pathname.slice(1));
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const port = url.port === "" ? 3306 : Number(url.port);
  const shown = `${url.hostname}:${port}/${database}`;
  if (!/^[\w$-]{1,64}$/.test(database)) {
    throw new UsageError(`MYSQL_URL (${shown}) names no database: put its name after the host.`);
  }
  const ssl = readTls(url.searchParams, shown);
  const options: PoolOptions = {
    host,
    port,
    user: decode(url.username),
    password: decode(url.password),
    database,
    charset: "utf8mb4",
    connectTimeout: CONNECT_MS_MAX,
    supportBigNumbers: true,
    multipleStatements: true,
    flags: ["-LOCAL_FILES"],
    ...(ssl === undefined ? {} : { ssl }),
  };
  return { database, shown, options };
};

const decode = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new UsageError("MYSQL_URL has a % that begins no escape: write it as %25.");
  }
};

const readTls = (parameters: URLSearchParams, shown: string): PoolOptions["ssl"] => {
  const known = ["ssl-mode", "ssl-ca"];
  const strange = [...parameters.keys()].find((name) => !known.includes(name));
  if (strange !== undefined) {
    throw new UsageError(
      `MYSQL_URL (${shown}) has "${strange}": only ${known.join(", ")} are known`,
    );
  }
  const path = parameters.get("ssl-ca");
  const mode = parameters.get("ssl-mode") ?? (path === null ? "DISABLED" : "VERIFY_IDENTITY");
  if (!TLS_MODES.includes(mode as TlsMode)) {
    throw new UsageError(`MYSQL_URL (${shown}): ssl-mode is ${mode}, not ${TLS_MODES.join(", ")}`);
  }
  if (mode === "DISABLED") return undefined;
  return {
    rejectUnauthorized: mode !== "REQUIRED",
    verifyIdentity: mode === "VERIFY_IDENTITY",
    ...(path === null ? {} : { ca: readAuthority(path, shown) }),
  };
};

const readAuthority = (path: string, shown: string): string => {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new UsageError(`MYSQL_URL (${shown}): ssl-ca ${path}: ${reasonOf(error)}`);
  }
};

export class MysqlPool {
  readonly pool: Pool;
  readonly #ready = new WeakSet<object>();

  constructor({ options }: MysqlAddress, connectionsMax: number) {
    this.pool = createPool({
      ...options,
      connectionLimit: connectionsMax,
      maxIdle: connectionsMax,
    });
  }

  /**
   * Lends a connection. After any error it is closed and not lent again, so that no transaction,
   * lock or late answer of it is left; the error comes as {@link mysqlFailure} has it unless `keep`.
   */
  async use<T>(
    what: string,
    work: (connection: MysqlConnection) => Promise<T>,
    keep: (error: unknown) => boolean = () => false,
  ): Promise<T> {
    let connection: PoolConnection | undefined;
    try {
      connection = await this.pool.getConnection();
      await this.#prepare(connection);
      const result = await work(new MysqlConnection(connection));
      connection.release();
      return result;
    } catch (error) {
      connection?.destroy();
      throw keep(error) ? error : mysqlFailure(what, error);
    }
  }

  /** The pool wraps the same connection anew each time it lends it. */
  async #prepare(lent: PoolConnection): Promise<void> {
    if (this.#ready.has(lent.connection)) return;
    await lent.query({ sql: SESSION, timeout: QUERY_MS_MAX });
    this.#ready.add(lent.connection);
  }

  async close(): Promise<void> {
    await this.pool.end();
  }
}

/**
 * Throws UsageError when the server refuses the account, or has no such database and does not let
 * this account make it. A server that does not answer is a retryable OperatingError.
 */
export const expectDatabase = async ({ options, database, shown }: MysqlAddress): Promise<void> => {
  try {
    await tryConnection(options);
  } catch (error) {
    if (!isErrno(error, ER.unknownDatabase)) throw startFailure(shown, error);
    const { database: _, ...server } = options;
    try {
      await tryConnection(server, `CREATE DATABASE IF NOT EXISTS \`${database}\``);
    } catch (refused) {
      throw startFailure(shown, refused);
    }
  }
};

const tryConnection = async (options: PoolOptions, statement = "DO 0"): Promise<void> => {
  const connection = await createConnection(options);
  try {
    await connection.query({ sql: statement, timeout: QUERY_MS_MAX });
  } finally {
    connection.destroy();
  }
};

const startFailure = (shown: string, error: unknown): unknown => {
  if (!isOfSetting(error)) return mysqlFailure(`MYSQL_URL (${shown}) does not answer`, error);
  return new UsageError(
    `MYSQL_URL (${shown}) is refused: ${describe(error)}. Correct user and password, or make the ` +
      "database and give the account all rights on it.",
    { cause: error },
  );
};
