/** A pool of an ordinary size with prepared statements that are counted. */
import {
  createPool,
  type Pool,
  type PoolConnection,
  type ResultSetHeader,
  type RowDataPacket,
} from "mysql2/promise";

export interface StatementCounts {
  readonly select: number;
  readonly insert: number;
  readonly update: number;
  /** BEGIN and COMMIT. */
  readonly transaction: number;
}

export type SqlValue = string | number | null;

/** One connection that a transaction holds. */
export interface Transaction {
  insert(sql: string, values: readonly SqlValue[]): Promise<ResultSetHeader>;
}

export class Database {
  readonly #pool: Pool;
  #counts: StatementCounts = { select: 0, insert: 0, update: 0, transaction: 0 };

  constructor(url: string, connections: number) {
    this.#pool = createPool({
      uri: url,
      connectionLimit: connections,
      maxIdle: connections,
      enableKeepAlive: true,
      supportBigNumbers: true,
    });
  }

  /** Since the start. */
  get counts(): StatementCounts {
    return this.#counts;
  }

  async select<Row>(sql: string, values: readonly SqlValue[]): Promise<readonly Row[]> {
    this.#count("select");
    const [rows] = await this.#pool.execute<(RowDataPacket & Row)[]>(sql, [...values]);
    return rows;
  }

  insert(sql: string, values: readonly SqlValue[]): Promise<ResultSetHeader> {
    this.#count("insert");
    return write(this.#pool, sql, values);
  }

  update(sql: string, values: readonly SqlValue[]): Promise<ResultSetHeader> {
    this.#count("update");
    return write(this.#pool, sql, values);
  }

  async transaction<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    const connection = await this.#pool.getConnection();
    try {
      this.#count("transaction");
      await connection.beginTransaction();
      const result = await work({
        insert: (sql, values) => {
          this.#count("insert");
          return write(connection, sql, values);
        },
      });
      this.#count("transaction");
      await connection.commit();
      return result;
    } catch (error) {
      await connection.rollback();
      throw error;
    } finally {
      connection.release();
    }
  }

  #count(kind: keyof StatementCounts): void {
    this.#counts = { ...this.#counts, [kind]: this.#counts[kind] + 1 };
  }
}

const write = async (
  on: Pool | PoolConnection,
  sql: string,
  values: readonly SqlValue[],
): Promise<ResultSetHeader> => {
  const [result] = await on.execute<ResultSetHeader>(sql, [...values]);
  return result;
};
