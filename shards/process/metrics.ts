import { Counter, Gauge, Histogram, Registry } from "prom-client";

export { Counter, Gauge, Histogram, Registry };

/** A registry whose every series carries the process's own labels. */
export const createRegistry = (labels: Readonly<Record<string, string>>): Registry => {
  const registry = new Registry();
  registry.setDefaultLabels({ ...labels });
  return registry;
};
