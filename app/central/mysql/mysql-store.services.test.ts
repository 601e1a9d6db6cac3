import { afterAll, beforeAll, describe } from "bun:test";
import { testCentralStore } from "../../../tests/support/central-suite.ts";
import { testOrderHistory } from "../../../tests/support/history-suite.ts";
import {
  centralFixture,
  historyFixture,
  TestDatabase,
} from "../../../tests/support/mysql-central.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await TestDatabase.make();
});
afterAll(() => database.drop());

describe("the central store on MySQL", () => testCentralStore(() => centralFixture(database)));
describe("history from MySQL", () => testOrderHistory(() => historyFixture(database)));
