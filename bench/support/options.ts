/** What every benchmark is told. */
export interface BenchOptions {
  /** Rounds; each measures one side and then the other. Medians are over rounds. */
  readonly rounds: number;
  /** Length of one measured run. */
  readonly seconds: number;
  /** Load before each measured run, not counted. */
  readonly warmUpSeconds: number;
  readonly connections: number;
  /** A short look: small numbers everywhere, nothing to quote. */
  readonly quick: boolean;
  /** The compiled program instead of the source. */
  readonly binary: string | undefined;
  /** Settings (`SLUICE_…`) for every process of the product, over those of the benchmark. */
  readonly settings: Readonly<Record<string, string>>;
}

/** Progress on stderr, so that stdout holds the result alone. */
export const say = (text: string): void => console.error(`  ${text}`);
