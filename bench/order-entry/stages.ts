/** Where an order's time goes in the product, as `Server-Timing` of single orders says it. */

/** Means over the probes, ms by stage, in the order of the header. */
export interface Stages {
  readonly probes: number;
  readonly meanMs: Readonly<Record<string, number>>;
}

const PAUSE_MS = 10;

/** Orders beside the load, one after the other, until `stop` is called. */
export const startStageProbe = (
  place: (number: number) => Promise<Response>,
  afterSeconds: number,
): { stop(): Promise<Stages> } => {
  const sums = new Map<string, number>();
  let probes = 0;
  let isStopped = false;
  const run = async (): Promise<void> => {
    const startMs = performance.now() + afterSeconds * 1000;
    for (let sent = 0; !isStopped; sent++) {
      const header = await headerOf(await place(sent));
      if (header !== null && performance.now() > startMs) {
        probes++;
        for (const [stage, ms] of stagesIn(header)) sums.set(stage, (sums.get(stage) ?? 0) + ms);
      }
      await Bun.sleep(PAUSE_MS);
    }
  };
  const running = run();
  // Its failure is that of `stop`, which may come much later.
  running.catch(() => {});
  return {
    stop: async () => {
      isStopped = true;
      await running;
      const meanMs = Object.fromEntries([...sums].map(([stage, ms]) => [stage, ms / probes]));
      return { probes, meanMs };
    },
  };
};

/** Of an accepted order; null when it was not accepted. Reads the answer to its end. */
const headerOf = async (answer: Response): Promise<string | null> => {
  await answer.arrayBuffer();
  return answer.status === 201 ? answer.headers.get("server-timing") : null;
};

/** `auth;dur=0.733, parse;dur=1.817, total;dur=20.435`: the sum is left out. */
export const stagesIn = (header: string): readonly (readonly [stage: string, ms: number])[] =>
  [...header.matchAll(/([\w-]+);dur=([\d.]+)/g)]
    .map(([, stage = "", ms]) => [stage, Number(ms)] as const)
    .filter(([stage]) => stage !== "total");
