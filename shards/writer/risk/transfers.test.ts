import { describe, expect, test } from "bun:test";
import { deposit, ShardNetwork } from "../../../tests/support/shard-network.ts";
import { named, riskTerms, StateBench } from "../../../tests/support/shard-state.ts";

const codes = ({ answered }: StateBench): string[] =>
  answered.map(({ body }) => JSON.parse(body)?.code ?? "");

describe("a transfer", () => {
  test("is done once for its id, in the batch and after it, and refuses another amount", () => {
    const home = new StateBench(riskTerms());
    expect(home.run([deposit("5"), deposit("5"), deposit("6")])).toMatchObject([
      { status: 200, kind: "final" },
      { status: 200, kind: "replayed" },
      { status: 409 },
    ]);
    expect(home.run([deposit("5.00")])).toMatchObject([{ status: 200, kind: "replayed" }]);
    expect(codes(home).at(2)).toBe("transfer_id_reused");
    const decided = home.store.records.filter(({ type }) => type === "transfer_decided");
    expect(decided).toHaveLength(1);
    home.restart();
    expect(home.run([deposit("5"), deposit("6")])).toMatchObject([
      { status: 200, kind: "replayed" },
      { status: 409 },
    ]);
  });

  test("out is paid from what is free, refused beyond it, and its answer stands on a record", () => {
    const home = new StateBench(riskTerms());
    home.run([deposit("100"), named("a")]);
    expect(home.run([deposit("-70", "w-1"), deposit("-70", "w-2")])).toMatchObject([
      { status: 200 },
      { status: 422, kind: "problem" },
    ]);
    expect(codes(home).at(-1)).toBe("insufficient_funds");
    const places = home.answered.slice(-2).map(({ place }) => place?.seq);
    expect(places.every((seq) => (seq ?? 0) > 0)).toBe(true);
    expect(home.run([deposit("-70", "w-2")])).toMatchObject([{ status: 422, kind: "problem" }]);
    expect(home.answered.at(-1)?.place).not.toBeNull();
  });

  test.each(["0", "0.000000001", "1e3", "99999999999999"])("of %s is no transfer", (amount) => {
    const home = new StateBench(riskTerms());
    home.run([deposit(amount)]);
    expect(codes(home)).toEqual(["invalid_request"]);
  });

  test("beyond what a file can hold in all is refused by itself, and the shard goes on", () => {
    const home = new StateBench(riskTerms());
    const most = "92233720368.54775807";
    home.run([deposit(most, "all"), deposit("0.00000001", "more"), deposit("-1", "out")]);
    expect(home.run([deposit(`-${most}`, "all-out")])).toMatchObject([{ status: 400 }]);
    expect(codes(home).slice(1)).toEqual(["invalid_request", "", "invalid_request"]);
  });

  test("for an account at home elsewhere is sent there by whoever asks", () => {
    const other = new StateBench(riskTerms({ homeOf: () => 2, shardIndexes: [1, 2] }));
    other.run([deposit("5")]);
    expect(codes(other)).toEqual(["invalid_request"]);
    expect(other.answered[0]?.body).toContain('"shardIndex":2');
  });

  test("that nobody waits for any more keeps its amount while the bank decides", () => {
    const net = new ShardNetwork(2);
    const home = net.shard(1);
    home.run([deposit("26")]);
    net.shard(2).run([named("a")]);
    net.settle();
    home.run([deposit("-20", "w")]);
    home.transfers.dropExpired(Number.POSITIVE_INFINITY);
    const [other] = home.run([deposit("-21", "w")]);
    expect([other?.status, JSON.parse(other?.body ?? "").code]).toEqual([
      ...[409, "transfer_id_reused"],
    ]);
    // The same again waits with it.
    expect(home.run([deposit("-20", "w")])).toEqual([]);
    net.settle();
    expect(codes(home).filter((code) => code === "insufficient_funds")).toHaveLength(1);
  });
});
