import { describe, expect, test } from "bun:test";
import { OperatingError, UsageError } from "../../../shards/process/failure.ts";
import { expectDatabase, MysqlPool, readMysqlUrl } from "./mysql-connection.ts";
import { ContentRefusal, isContentRefusal, mysqlFailure } from "./mysql-failure.ts";

describe("MYSQL_URL", () => {
  test("is read with its escapes", () => {
    const { options, database, shown } = readMysqlUrl("mysql://a%40b:p%2Fw%3F@db:3307/central-1");
    expect(options).toMatchObject({ host: "db", port: 3307, user: "a@b", password: "p/w?" });
    expect([database, shown]).toEqual(["central-1", "db:3307/central-1"]);
    expect(options.ssl).toBeUndefined();
  });

  test("has the usual port, and may have an address of IPv6", () => {
    expect(readMysqlUrl("mysql://u@[::1]/c").options).toMatchObject({ host: "::1", port: 3306 });
  });

  const TLS: readonly [string, object][] = [
    ["ssl-mode=REQUIRED", { rejectUnauthorized: false, verifyIdentity: false }],
    ["ssl-mode=VERIFY_CA", { rejectUnauthorized: true, verifyIdentity: false }],
    ["ssl-mode=VERIFY_IDENTITY", { rejectUnauthorized: true, verifyIdentity: true }],
  ];
  test.each(TLS)("may ask for TLS by %s", (parameter, ssl) => {
    expect(readMysqlUrl(`mysql://u@db/c?${parameter}`).options.ssl).toEqual(ssl);
  });

  const WRONG: readonly string[] = [
    "",
    "db:3306/central",
    "postgres://u:geheim@db/central",
    "mysql://u:geheim@db",
    "mysql://u:geheim@db/",
    "mysql://u:geheim@db/a`b",
    "mysql://u:geheim@db/a/b",
    "mysql://u:geheim%@db/central",
    "mysql://u:geheim@db/central?sslmode=REQUIRED",
    "mysql://u:geheim@db/central?ssl-mode=maybe",
    "mysql://u:geheim@db/central?ssl-ca=/no/such/file",
  ];
  test.each(WRONG)("is refused by name and without its password: %s", (url) => {
    const refused = (): unknown => readMysqlUrl(url);
    expect(refused).toThrow(UsageError);
    expect(refused).toThrow(/^MYSQL_URL(?!.*geheim)/);
  });
});

test("a server that is not there is a failure that passes", async () => {
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = server;
  server.stop(true);
  const failure = await expectDatabase(readMysqlUrl(`mysql://u:geheim@127.0.0.1:${port}/c`)).catch(
    (error: unknown) => error,
  );
  expect(failure).toBeInstanceOf(OperatingError);
  expect(failure).toMatchObject({ code: "central_store_failed", retryable: true });
  expect(String(failure)).not.toContain("geheim");
});

test("who asks a closed pool is told that it passes", async () => {
  const pool = new MysqlPool(readMysqlUrl("mysql://root@127.0.0.1/central"), 1);
  await pool.close();
  const failure = await pool.use("read", async () => 1).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: "central_store_failed", retryable: true });
});

describe("an error of MySQL", () => {
  const server = (errno: number): Error => Object.assign(new Error("x"), { errno, code: "ER_X" });
  const connection = (code: string): Error => Object.assign(new Error("x"), { errno: -1, code });

  test.each([1213, 1205, 1053, 1040, 1290, 1836, 1021, 1114, 1045])("%d passes", (errno) => {
    expect(mysqlFailure("read", server(errno))).toMatchObject({ retryable: true });
    expect(isContentRefusal(server(errno))).toBe(false);
  });

  test.each(["ECONNREFUSED", "ECONNRESET", "PROTOCOL_CONNECTION_LOST", "ETIMEDOUT", "ENOTFOUND"])(
    "of the connection passes: %s",
    (code) => {
      expect(mysqlFailure("read", connection(code))).toMatchObject({ retryable: true });
    },
  );

  test.each([1062, 1406, 1264, 1366, 3819, 1048])("%d is about the content", (errno) => {
    expect(isContentRefusal(server(errno))).toBe(true);
    expect(mysqlFailure("read", server(errno))).toMatchObject({ retryable: false });
  });

  test.each([1064, 1054, 1146])("%d is a defect, or another's tables", (errno) => {
    expect(mysqlFailure("read", server(errno))).toMatchObject({ retryable: false });
    expect(isContentRefusal(server(errno))).toBe(false);
  });

  test("that is none stays what it is", () => {
    const own = new TypeError("x");
    expect(mysqlFailure("read", own)).toBe(own);
    expect(isContentRefusal(new ContentRefusal("x"))).toBe(true);
  });
});
