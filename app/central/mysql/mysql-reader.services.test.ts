import { afterAll, beforeAll } from "bun:test";
import { TestDatabase } from "../../../tests/support/mysql-central.ts";
import { describeReader } from "../../../tests/support/reader-suite.ts";
import { openMysqlReader } from "./mysql-reader.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await TestDatabase.make();
});
afterAll(() => database.drop());

describeReader("MySQL", async () => {
  const store = await database.openStore();
  await database.empty();
  const reader = openMysqlReader(database.url);
  return {
    store,
    reader,
    end: async () => {
      await reader.close();
      await store.close();
    },
  };
});
