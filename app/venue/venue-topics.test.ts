import { describe, expect, test } from "bun:test";
import type { ShardName } from "../../shards/domain/brands.ts";
import { createLogger } from "../../shards/process/logger.ts";
import { Registry } from "../../shards/process/metrics.ts";
import type { Answer } from "../../shards/protocol/answer.ts";
import type { Operation } from "../../shards/protocol/operation.ts";
import { RoutingError } from "../routing/routing-error.ts";
import { venueTopics } from "./venue-topics.ts";

const answer = (status: number, code?: string): Answer =>
  ({
    requestId: 1,
    kind: code === undefined ? "final" : "problem",
    status,
    place: null,
    body: JSON.stringify(code === undefined ? { status: "applied" } : { code }),
  }) as Answer;

/** A shard that has room for `room` at once, and says what was asked of it. */
const shardWith = ({ room = 10_000, answers = [answer(200)] }) => {
  const asked: Operation[] = [];
  const deadlines = new Set<number>();
  let waiting = 0;
  return {
    asked,
    deadlines,
    shardOfSymbol: () => "shard1" as ShardName,
    request: async (_shard: ShardName, operation: Operation, deadlineAt: number) => {
      if (waiting >= room) throw new RoutingError("overloaded", "full");
      waiting += 1;
      deadlines.add(deadlineAt);
      asked.push(operation);
      await Promise.resolve();
      waiting -= 1;
      return answers[(asked.length - 1) % answers.length] as Answer;
    },
  };
};

const topicsAt = (router: ReturnType<typeof shardWith>) => {
  const registry = new Registry();
  let now = 1000;
  const deadlineAt = () => ++now;
  return {
    registry,
    ...venueTopics({ router, registry, logger: createLogger("test", "silent"), deadlineAt }),
  };
};

const cancel = (id: number) => ({
  text: JSON.stringify({
    executionId: `e-${id}`,
    orderId: "1025",
    symbol: "BTCUSDT",
    kind: "CANCEL",
    at: 1,
  }),
  place: `executions:0:${id}`,
});
const mark = (markPrice: string) => ({
  text: JSON.stringify({ symbol: "BTCUSDT", markPrice, at: 1 }),
  place: "mark-prices:0:1",
});
const idsOf = (asked: readonly Operation[]): readonly string[] =>
  asked.map((one) => (one.kind === "execute" ? one.execution.executionId : one.kind));

describe("messages of the exchange's topics", () => {
  test("reach the shard in their order, however many come at once", async () => {
    const router = shardWith({ room: 300 });
    const messages = Array.from({ length: 1000 }, (_, id) => cancel(id));
    await topicsAt(router).executions(messages);
    expect(idsOf(router.asked)).toEqual(messages.map((_, id) => `e-${id}`));
  });

  test("of which a shard takes one later all have the same deadline: none overtakes it", async () => {
    const router = shardWith({});
    await topicsAt(router).executions([cancel(1), cancel(2), cancel(3)]);
    expect(router.deadlines.size).toBe(1);
  });

  test("that cannot be read are counted, and the others taken", async () => {
    const router = shardWith({});
    const { executions, registry } = topicsAt(router);
    const bad = ["", "{", "null", "[]", '{"executionId":"x"}', mark("1").text];
    await executions([...bad.map((text, id) => ({ text, place: `t:0:${id}` })), cancel(7)]);
    expect(idsOf(router.asked)).toEqual(["e-7"]);
    expect(await registry.metrics()).toContain(
      'sluice_venue_unreadable_total{topic="executions"} 6',
    );
  });

  test.each([
    [503, "overloaded"],
    [504, "outcome_unknown"],
    [500, "internal_error"],
  ])("are offered again after a %i", async (status, code) => {
    const router = shardWith({ answers: [answer(200), answer(status, code)] });
    expect(topicsAt(router).executions([cancel(1), cancel(2)])).rejects.toThrow(code);
  });

  test("are offered again when the shard is not there", async () => {
    const router = shardWith({ room: 0 });
    expect(topicsAt(router).executions([cancel(1)])).rejects.toThrow("full");
  });

  test("that the shard refuses for ever are passed over and counted by their reason", async () => {
    const router = shardWith({ answers: [answer(422, "price_off_tick")] });
    const { markPrices, registry } = topicsAt(router);
    await markPrices([mark("50000.123"), mark("50000.124")]);
    expect(await registry.metrics()).toContain(
      'sluice_venue_refused_total{topic="mark-prices",code="price_off_tick"} 2',
    );
  });
});
