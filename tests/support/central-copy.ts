/** A backup of the central database, and putting it back under whoever uses it. */
import { type Connection, createConnection } from "mysql2/promise";
import { type FreshDatabase, freshDatabase } from "./services.ts";

const TABLES = "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = ?";

export class CentralCopy {
  readonly #connection: Connection;
  readonly #database: string;
  readonly #copy: FreshDatabase;
  readonly #tables: readonly string[];

  /** As of one moment: no transaction is half in it. */
  static async take(mysqlUrl: string): Promise<CentralCopy> {
    const copy = await freshDatabase(mysqlUrl);
    const connection = await createConnection({ uri: mysqlUrl });
    const database = new URL(mysqlUrl).pathname.slice(1);
    const [rows] = await connection.query(TABLES, [database]);
    const tables = (rows as { name: string }[]).map(({ name }) => name);
    const one = new CentralCopy(connection, database, copy, tables);
    for (const table of tables) {
      await connection.query(`CREATE TABLE ${copy.name}.${table} LIKE ${database}.${table}`);
    }
    await one.#move(database, copy.name);
    return one;
  }

  private constructor(
    connection: Connection,
    database: string,
    copy: FreshDatabase,
    tables: readonly string[],
  ) {
    this.#connection = connection;
    this.#database = database;
    this.#copy = copy;
    this.#tables = tables;
  }

  /** Central has what it had then, and nothing else. */
  async putBack(): Promise<void> {
    await this.#move(this.#copy.name, this.#database);
  }

  async drop(): Promise<void> {
    await this.#connection.end();
    await this.#copy.drop();
  }

  /** All tables are locked at once, which waits for transactions under way. */
  async #move(from: string, to: string): Promise<void> {
    const locks = this.#tables.flatMap((table) => [
      `${from}.${table} READ`,
      `${to}.${table} WRITE`,
    ]);
    const connection = this.#connection;
    await connection.query("SET autocommit = 0");
    await connection.query(`LOCK TABLES ${locks.join(", ")}`);
    for (const table of this.#tables) {
      await connection.query(`DELETE FROM ${to}.${table}`);
      await connection.query(`INSERT INTO ${to}.${table} SELECT * FROM ${from}.${table}`);
    }
    await connection.query("COMMIT");
    await connection.query("UNLOCK TABLES");
    await connection.query("SET autocommit = 1");
  }
}
