import { Counter, Histogram, type Registry } from "../../shards/process/metrics.ts";

const SECONDS_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** Called with the status and the duration of each request of one route. */
export type RouteMeter = (status: number, durationMs: number) => void;

/** Meters for the edge's routes; the children of their labels are made once. */
export const createEdgeMetrics = (registry: Registry): ((route: string) => RouteMeter) => {
  const requests = new Counter({
    name: "sluice_http_requests_total",
    help: "Answered HTTP requests",
    labelNames: ["route", "status"],
    registers: [registry],
  });
  const duration = new Histogram({
    name: "sluice_http_request_duration_seconds",
    help: "From the request's head to its answer",
    labelNames: ["route"],
    buckets: SECONDS_BUCKETS,
    registers: [registry],
  });
  return (route) => {
    const durations = duration.labels(route);
    const byStatus = new Map<number, Counter.Internal>();
    return (status, durationMs) => {
      let counter = byStatus.get(status);
      if (counter === undefined) {
        counter = requests.labels(route, String(status));
        byStatus.set(status, counter);
      }
      counter.inc();
      durations.observe(durationMs / 1000);
    };
  };
};
