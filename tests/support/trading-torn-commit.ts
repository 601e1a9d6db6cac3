/**
 * A process that opens a shard's file, takes one batch of brackets and kills itself with -9 before
 * the n-th statement of its transaction: `bun trading-torn-commit.ts FILE N`. Without that many
 * statements it ends well.
 */
import { Database, type Statement } from "bun:sqlite";
import { openFile } from "./shard-file.ts";
import { named } from "./shard-state.ts";

const [, , path = "", n = "0"] = process.argv;
const lastStatement = Number(n);

type Run = (...parameters: unknown[]) => unknown;

let isArmed = false;
let count = 0;
const seen = new WeakSet<Statement>();

/** Each of its runs counts once the transaction has begun. */
const counting = (statement: Statement): Statement => {
  if (seen.has(statement)) return statement;
  seen.add(statement);
  const runs = statement as unknown as Record<string, Run>;
  for (const name of ["run", "get", "all", "values"]) {
    const original = runs[name] as Run;
    runs[name] = (...parameters) => {
      if (isArmed && (count > 0 || statement.toString().startsWith("BEGIN"))) count += 1;
      if (count === lastStatement && isArmed) process.kill(process.pid, "SIGKILL");
      return original.apply(statement, parameters);
    };
  }
  return statement;
};

const makers = Database.prototype as unknown as Record<string, Run>;
for (const name of ["prepare", "query"]) {
  const original = makers[name] as Run;
  makers[name] = function (this: Database, ...parameters: unknown[]) {
    return counting(original.apply(this, parameters) as Statement);
  };
}

const file = await openFile(path);
isArmed = true;
const child = (stopPrice: string): object => ({
  ...{ clientOrderId: null, stopPrice, price: null, workingType: "LAST_PRICE" },
});
const children = { takeProfit: child("51000"), stopLoss: child("49000") };
file.run(["b-1", "b-2"].map((id) => named(id, children)));
isArmed = false;
console.log(`${count} statements`);
process.exit(0);
