/** Is it alive, is it ready, how much does it do: for orchestrators and Prometheus. */
import { AggregatorRegistry, Gauge, Registry } from "prom-client";
import { z } from "zod";
import { shardStatusSchema } from "../../../shards/protocol/status.ts";
import type { Call } from "../call.ts";
import { type Asked, readAll } from "../orders/ask.ts";
import { Reply } from "../reply.ts";
import type { Edge, Route } from "../route.ts";

/** Shorter than a prober's own patience: a shard that hangs is told apart from an api that does. */
const PROBE_DEADLINE_MS = 1000;

export const healthRoutes = (edge: Edge, registry: Registry): readonly Route[] => [
  {
    method: "GET",
    path: "/healthz",
    scope: null,
    handle: () => new Reply(200, '{"status":"ok"}'),
  },
  { method: "GET", path: "/readyz", scope: null, handle: (call) => readiness(edge, call) },
  { method: "GET", path: "/metrics", scope: null, handle: metricsHandler(edge, registry) },
];

interface ShardReadiness {
  readonly shard: string;
  readonly ready: boolean;
  readonly state: string;
  readonly detail: string | null;
}

const readiness = async (edge: Edge, call: Call): Promise<Reply> => {
  const asked = await readAll(edge, call, { kind: "status" }, probeDeadline(edge));
  const shards = asked.map(readinessOf);
  const ready = shards.every((shard) => shard.ready);
  return new Reply(ready ? 200 : 503, JSON.stringify({ ready, shards }));
};

/** A shard may be of another version for a while: of its status only this has to be there. */
const readinessSchema = z.object(shardStatusSchema.shape).pick({ state: true, reason: true });

const readinessOf = (asked: Asked): ShardReadiness => {
  const { shard } = asked;
  if (!asked.ok) {
    return { shard, ready: false, state: "unreachable", detail: asked.problem.detail };
  }
  const { state, reason } = readinessSchema.parse(JSON.parse(asked.answer.body));
  return { shard, ready: state !== "failed" && state !== "draining", state, detail: reason };
};

const probeDeadline = (edge: Edge): number => edge.clock.now() + PROBE_DEADLINE_MS;

type MetricsJson = Awaited<ReturnType<Registry["getMetricsAsJSON"]>>;

/** The api's own series and those of every shard that answers, told apart by their labels. */
const metricsHandler = (edge: Edge, registry: Registry): Route["handle"] => {
  const up = new Gauge({
    name: "sluice_shard_up",
    help: "1 when the shard answered this scrape",
    labelNames: ["shard"],
    registers: [registry],
  });
  return async (call) => {
    const asked = await readAll(edge, call, { kind: "metrics" }, probeDeadline(edge));
    for (const { shard, ok } of asked) up.set({ shard }, ok ? 1 : 0);
    const parts = [await registry.getMetricsAsJSON()];
    for (const one of asked) if (one.ok) parts.push(JSON.parse(one.answer.body) as MetricsJson);
    const text = await AggregatorRegistry.aggregate(parts).metrics();
    return new Reply(200, text, Registry.PROMETHEUS_CONTENT_TYPE);
  };
};
