import { Counter, Histogram, type Registry } from "../../shards/process/metrics.ts";

const SECONDS_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** Called with the status and the duration of each request of one route. */
export type RouteMeter = (status: number, durationMs: number) => void;

/**
 * Meters for the edge's routes. Requests are counted in plain numbers and handed to the registry
 * when somebody asks: the library's own look-up of labels would cost as much as the JSON parse.
 */
export const createEdgeMetrics = (registry: Registry): ((route: string) => RouteMeter) => {
  const counts = new Map<string, Map<number, number>>();
  new Counter({
    name: "sluice_http_requests_total",
    help: "Answered HTTP requests",
    labelNames: ["route", "status"],
    registers: [registry],
    collect() {
      this.reset();
      for (const [route, byStatus] of counts) {
        for (const [status, count] of byStatus) this.inc({ route, status: String(status) }, count);
      }
    },
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
    const byStatus = new Map<number, number>();
    counts.set(route, byStatus);
    return (status, durationMs) => {
      byStatus.set(status, (byStatus.get(status) ?? 0) + 1);
      durations.observe(durationMs / 1000);
    };
  };
};
