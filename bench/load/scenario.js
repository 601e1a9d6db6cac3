/**
 * The scenario's orders for k6. SCENARIO names a JSON file that bench/versus/requests.ts wrote;
 * USERS and SECONDS say how many users send for how long, each its next order when it has its answer.
 */
import { SharedArray } from "k6/data";
import execution from "k6/execution";
import http from "k6/http";
import { Counter } from "k6/metrics";
import { pick } from "./scenario-pick.ts";

const [scenario] = new SharedArray("scenario", () => [JSON.parse(open(__ENV.SCENARIO))]);
const { url, number, offset, sizes } = scenario;
const tokens = new SharedArray("tokens", () => JSON.parse(open(__ENV.SCENARIO)).tokens);
const orders = new SharedArray("orders", () => JSON.parse(open(__ENV.SCENARIO)).orders);

const refused = new Counter("refused");
const lost = new Counter("lost");

export const options = {
  discardResponseBodies: true,
  summaryTrendStats: ["med", "p(95)", "p(99)", "max"],
  scenarios: {
    orders: {
      executor: "constant-vus",
      exec: "placeOrder",
      vus: Number(__ENV.USERS),
      duration: `${__ENV.SECONDS}s`,
      gracefulStop: "10s",
    },
  },
};

export function placeOrder() {
  const own = number + 1 + execution.scenario.iterationInTest;
  const { account, variant } = pick(own + offset, sizes);
  const [before, after] = orders[variant];
  const headers = {
    Authorization: `Bearer ${tokens[account]}`,
    "Content-Type": "application/json",
  };
  const { status } = http.post(url, before + own + after, { headers, timeout: "10s" });
  if (status === 0) lost.add(1);
  else if (status !== 201) refused.add(1);
}

export function handleSummary({ metrics, state }) {
  const times = metrics.http_req_duration.values;
  const result = {
    requests: metrics.http_reqs.values.count - (metrics.lost?.values.count ?? 0),
    microseconds: state.testRunDurationMs * 1000,
    refused: metrics.refused?.values.count ?? 0,
    lost: metrics.lost?.values.count ?? 0,
    p50: times.med,
    p95: times["p(95)"],
    p99: times["p(99)"],
    max: times.max,
  };
  return { stdout: `RESULT ${JSON.stringify(result)}\n` };
}
