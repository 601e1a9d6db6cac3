import { expect, test } from "bun:test";
import { OperatingError } from "../../shards/process/failure.ts";
import { createRegistry } from "../../shards/process/metrics.ts";
import { ApplierMetrics } from "./applier-metrics.ts";
import type { CentralStore } from "./store.ts";

const away = new OperatingError("central_store_failed", "away", { retryable: true });

test.each<[string, () => Promise<never>]>([
  ["away", () => Promise.reject(away)],
  ["hanging", () => new Promise(() => {})],
])("metrics are told while central is %s", async (_, stoppedStreams) => {
  const registry = createRegistry({ process: "applier" });
  const metrics = new ApplierMetrics(registry, { stoppedStreams } as unknown as CentralStore);
  metrics.failed();
  expect(await registry.metrics()).toMatch(/sluice_applier_store_failures_total\S* 1\n/);
});
