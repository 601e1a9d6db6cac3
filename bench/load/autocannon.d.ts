/** The part of autocannon that the benchmarks use; it brings no types of its own. */
declare module "autocannon" {
  interface Request {
    body?: string;
    headers: Record<string, string>;
  }
  interface Options {
    readonly url: string;
    readonly connections: number;
    readonly duration: number;
    readonly timeout: number;
    readonly requests: readonly {
      readonly method: "POST";
      readonly path: string;
      readonly setupRequest: (request: Request) => Request;
    }[];
  }
  interface Result {
    readonly duration: number;
    readonly errors: number;
    readonly timeouts: number;
    readonly statusCodeStats: Readonly<Record<string, { readonly count: number }>>;
    readonly latency: Readonly<Record<"p50" | "p90" | "p99" | "p99_9" | "max", number>>;
  }
  function autocannon(options: Options): Promise<Result>;
  export default autocannon;
}
