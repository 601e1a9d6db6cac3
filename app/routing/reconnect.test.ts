import { afterEach, describe, expect, test } from "bun:test";
import type { ClientOrderId, InstrumentSymbol, OrderId } from "../../shards/domain/brands.ts";
import { type Clock, systemClock } from "../../shards/process/clock.ts";
import type { Operation } from "../../shards/protocol/operation.ts";
import {
  ACCOUNT,
  cancel,
  code,
  connected,
  endAll,
  inAMinute,
  notServing,
  SHARD1,
  serving,
  shardOn,
} from "./test-router.ts";

afterEach(endAll);

describe("after a lost connection", () => {
  test("exactly the unanswered are sent again, in their order, before new ones", async () => {
    const { shard, request, router, lines } = await serving();
    const bench = { router, lines, request };
    const asked = [1, 2, 3, 4].map((id) => request(id));
    const sent = await shard.frames.take();
    shard.answer(...sent.slice(1, 2));
    await asked[1];
    shard.cut();
    expect(await notServing(bench)).toStartWith(`no connection to ${shard.url}/shard (code 1006`);
    expect(await code(request(5))).toBe("shard_unavailable");
    await connected(bench);
    const sixth = request(6);
    const again = await shard.frames.take();
    expect(again.slice(0, 3)).toEqual(sent.filter((entry) => entry.requestId !== 2));
    expect(again[3]?.operation).toEqual(cancel(6));
    shard.answer(...again);
    const bodies = await Promise.all(asked.concat(sixth));
    expect(bodies).toEqual([1, 2, 3, 4, 5].map((id) => `{"request":${id}}`));
  });

  test.each(["overloaded", "shard_unavailable", "replication_backlog"] as const)(
    "a second copy refused with %s says nothing of the first, whose outcome is unknown",
    async (problem) => {
      const { shard, request, lines, router } = await serving();
      const twice = code(request(1));
      await shard.frames.take();
      shard.cut();
      await notServing({ router, lines, request });
      await connected({ router, lines, request });
      const once = request(2);
      shard.refuse(problem, ...(await shard.frames.take()));
      expect(await twice).toBe("outcome_unknown");
      expect(await once).toContain(problem);
    },
  );

  test("a second copy refused for what it asks is answered", async () => {
    const { shard, request } = await serving();
    const asked = request(1);
    await shard.frames.take();
    shard.cut();
    shard.refuse("order_not_found", ...(await shard.frames.take()));
    expect(await asked).toContain("order_not_found");
  });

  const symbol = "BTCUSDT" as InstrumentSymbol;
  const clientOrderId = "a-1" as ClientOrderId;
  test.each<Operation>([
    { kind: "get_order", accountId: ACCOUNT, orderId: 1 as OrderId },
    { kind: "find_order", accountId: ACCOUNT, symbol, clientOrderId },
    { kind: "open_orders", accountId: ACCOUNT, symbol: null },
    { kind: "instruments" },
    { kind: "status" },
    { kind: "metrics" },
  ])("the query $kind is refused and not sent again", async (query) => {
    const { shard, request, router } = await serving();
    const asked = code(router.request(SHARD1, query, inAMinute()));
    const command = request(1);
    await shard.frames.take();
    shard.cut();
    expect(await asked).toBe("shard_unavailable");
    const again = await shard.frames.take();
    expect(again.map(({ operation }) => operation)).toEqual([cancel(1)]);
    shard.answer(...again);
    await command;
  });

  test("a shard that is back as another process, in a new epoch, answers them", async () => {
    const { shard, request, lines } = await serving();
    const asked = request(1);
    await shard.frames.take();
    await shard.stop();
    expect((await lines.take()).message).toBe("shard not serving");
    const next = shardOn({ shard: "shard1", epoch: 2, port: shard.port });
    expect(await lines.take()).toMatchObject({ message: "shard connected", epoch: 2 });
    next.answer(...(await next.frames.take()));
    expect(await asked).toBe('{"request":1}');
  });

  test("those whose deadline passes meanwhile are unknown", async () => {
    const { shard, request } = await serving();
    const asked = code(request(1, systemClock.now() + 50));
    await shard.frames.take();
    await shard.stop();
    expect(await asked).toBe("outcome_unknown");
  });

  test("a peer that is silent past a deadline counts as lost", async () => {
    let aheadMs = 0;
    const clock: Clock = {
      now: () => systemClock.now() + aheadMs,
      monotonicMs: () => systemClock.monotonicMs() + aheadMs,
    };
    const { shard, request, router, lines } = await serving({ clock });
    const asked = code(request(1, clock.now() + 5000));
    await shard.frames.take();
    const alarm = code(request(2, clock.now() + 1));
    aheadMs = 5000;
    expect(await asked).toBe("outcome_unknown");
    expect(await notServing({ router, lines, request })).toMatch(/said nothing for 5\d\d\d ms$/);
    await connected({ router, lines, request });
    expect(await alarm).not.toBe("resolved");
  });
});
