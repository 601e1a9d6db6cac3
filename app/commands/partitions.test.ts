import { describe, expect, test } from "bun:test";
import { OperatingError, UsageError } from "../../shards/process/failure.ts";
import type { AdminAnswer, AdminApi } from "./admin-api.ts";
import { raisePartitions } from "./partitions.ts";
import { resend } from "./resend.ts";

/** Shards that raise; those in `down` do not answer. */
class FakeApi implements AdminApi {
  readonly counts = new Map([
    ["shard1", 1],
    ["shard2", 1],
  ]);
  readonly down = new Set<string>();
  readonly posts: string[] = [];

  async ask(method: "GET" | "POST", path: string, body?: object): Promise<AdminAnswer> {
    if (method === "GET") {
      const items = [...this.counts].map(([shard, partitionCount]) =>
        this.down.has(shard) ? { shard, state: "unreachable" } : { shard, partitionCount },
      );
      return { status: 200, body: { items } };
    }
    this.posts.push(path);
    const [, , , , shard = "", what] = path.split("/");
    if (this.down.has(shard)) return { status: 503, body: { detail: "It is stopping." } };
    if (what === "resend") return { status: 202, body: { shard } };
    this.counts.set(shard, (body as { partitionCount: number }).partitionCount);
    return { status: 200, body: { shard, ...body } };
  }
}

const benchOf = () => {
  const api = new FakeApi();
  const lines: string[] = [];
  const raised: number[] = [];
  const print = (line: string): void => {
    lines.push(line);
  };
  const raise = (count: number, raiseTopic: Parameters<typeof raisePartitions>[1]["raiseTopic"]) =>
    raisePartitions(count, { api, raiseTopic, print });
  const raiseTopic = async (count: number) => {
    raised.push(count);
    return { topic: "orders", before: raised.length === 1 ? 1 : count };
  };
  return { api, lines, raised, raise, raiseTopic, print };
};

const failureOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "no failure",
    (error: unknown) => error,
  );

describe("sluice partitions raise", () => {
  test("raises shard after shard, and says what to set", async () => {
    const { api, lines, raise } = benchOf();
    expect(await raise(10, null)).toBe(0);
    expect([...api.counts.values()]).toEqual([10, 10]);
    expect(lines).toEqual([
      "shard1: raised from 1 to 10",
      "shard2: raised from 1 to 10",
      "Now set SLUICE_PARTITION_COUNT=10: new shard files begin with it.",
    ]);
  });

  test("raises the topic before any shard", async () => {
    const { api, raise, lines } = benchOf();
    const raiseTopic = async () => {
      expect(api.posts).toEqual([]);
      return { topic: "orders", before: 3 };
    };
    expect(await raise(10, raiseTopic)).toBe(0);
    expect(lines[0]).toBe("orders: raised from 3 to 10");
  });

  test("raises no shard when the topic can't be raised", async () => {
    const { api, raise } = benchOf();
    const failure = new OperatingError("broker_unreachable", "gone", { retryable: true });
    expect(await failureOf(raise(10, () => Promise.reject(failure)))).toBe(failure);
    expect(api.posts).toEqual([]);
  });

  test("leaves out what does not answer, and finishes it when it is repeated", async () => {
    const { api, lines, raised, raise, raiseTopic } = benchOf();
    api.down.add("shard1");
    expect(await raise(10, raiseTopic)).toBe(1);
    expect(lines.splice(0)).toEqual([
      "orders: raised from 1 to 10",
      "shard1: not raised: It is stopping.",
      "shard2: raised from 1 to 10",
      "1 of 2 shards are left: repeat the command.",
    ]);
    api.down.clear();
    expect(await raise(10, raiseTopic)).toBe(0);
    expect(lines.slice(0, 3)).toEqual([
      "orders: has 10 partitions already",
      "shard1: raised from 1 to 10",
      "shard2: has 10 partitions already",
    ]);
    expect(raised).toEqual([10, 10]);
  });

  test("refuses fewer than a shard has, before anything is raised", async () => {
    const { api, raised, raise, raiseTopic } = benchOf();
    api.counts.set("shard2", 12);
    expect(await failureOf(raise(10, raiseTopic))).toEqual(
      new UsageError("partitions raise 10: shard2 has 12 partitions; they are raised only."),
    );
    expect([api.posts, raised]).toEqual([[], []]);
  });
});

describe("sluice resend", () => {
  test("tells the shard", async () => {
    const { api, lines, print } = benchOf();
    expect(await resend("shard2", api, print)).toBe(0);
    expect(api.posts).toEqual(["/admin/v1/shards/shard2/resend"]);
    expect(lines).toEqual([expect.stringContaining("sends everything again")]);
  });

  test("is exit 1 when it could not", async () => {
    const { api, lines, print } = benchOf();
    api.down.add("shard2");
    expect(await resend("shard2", api, print)).toBe(1);
    expect(lines).toEqual(["shard2: It is stopping. Nothing is sent again; repeat the command."]);
  });
});
