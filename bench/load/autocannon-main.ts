/** Runs autocannon in a process of its own and prints its result as one line. */
import autocannon from "autocannon";
import type { LoadOptions } from "./load.ts";
import { FIRST_NUMBER, ORDERS_PATH } from "./orders.ts";

const options = (await Bun.file(process.argv[2] ?? "").json()) as LoadOptions;
let number = FIRST_NUMBER;

/** Templates are whole requests; autocannon wants the body and one header of them. */
const parts = options.templates.map(({ head, tail }) => ({
  authorization: /^Authorization: (.*)\r$/m.exec(head)?.[1] ?? "",
  before: head.slice(head.indexOf("\r\n\r\n") + 4),
  after: tail,
}));

const result = await autocannon({
  url: `http://127.0.0.1:${options.port}`,
  connections: options.connections,
  duration: options.seconds,
  timeout: 5,
  requests: [
    {
      method: "POST",
      path: ORDERS_PATH,
      setupRequest: (request) => {
        number++;
        const part = parts[number % parts.length];
        const headers = {
          authorization: part?.authorization ?? "",
          "content-type": "application/json",
        };
        return { ...request, headers, body: `${part?.before}${number}${part?.after}` };
      },
    },
  ],
});

const { latency, statusCodeStats } = result;
const answers = Object.values(statusCodeStats).reduce((sum, { count }) => sum + count, 0);
const refused = answers - (statusCodeStats["201"]?.count ?? 0);
const raw = {
  requests: answers,
  microseconds: result.duration * 1e6,
  refused,
  lost: result.errors + result.timeouts,
  wrong: refused,
  shed: statusCodeStats["503"]?.count ?? 0,
  p50: latency.p50,
  p90: latency.p90,
  p99: latency.p99,
  p999: latency.p99_9,
  max: latency.max,
};
console.log(`RESULT ${JSON.stringify(raw)}`);
