import { describe, expect, test } from "bun:test";
import { contextOf, homePurse, request, rowOf } from "../../../tests/model/escrow-fixture.ts";
import { DEFAULT_ESCROW_POLICY, isOver } from "./policy.ts";
import { deliver } from "./purse.ts";

test.each([
  [null, true],
  [1_000, false],
  [901, false],
  [900, true],
  // The clock was set back.
  [1_001, true],
] as const)("since %p a wait of 100 until 1000 is over: %p", (since, want) => {
  expect(isOver(since, 100, 1_000)).toBe(want);
});

describe("how much is granted", () => {
  const context = { ...contextOf(1), policy: DEFAULT_ESCROW_POLICY };
  const granted = (depositedMinor: bigint, needMinor: bigint, others = 0n): bigint => {
    const purse = homePurse({ depositedMinor }, { 3: { grantedMinor: others } });
    const { purse: step } = deliver(purse, 0n, request(2, 1, needMinor), context);
    return rowOf(step, 2).grantedMinor;
  };
  test.each([
    ["an order of more than a hundredth of the equity gets its need", 999n, 10n, 0n, 10n],
    ["a smaller one gets a sixth of the equity with three shards", 6_000n, 60n, 0n, 1_060n],
    ["never more than half of what is free", 6_000n, 60n, 4_940n, 560n],
    ["its need alone when nothing else is free", 6_000n, 60n, 5_940n, 60n],
  ] as const)("%s", (_name, depositedMinor, needMinor, others, want) => {
    expect(granted(depositedMinor, needMinor, others)).toBe(want);
  });

  test("an account that fills up evenly asks for less than one order in a hundred", () => {
    const needMinor = 1n;
    let purse = homePurse({ depositedMinor: 3_000n });
    const held = new Map([
      [2, { rights: 0n, used: 0n, asked: 0 }],
      [3, { rights: 0n, used: 0n, asked: 0 }],
    ]);
    const orders = 2_000;
    for (let at = 0; at < orders; at += 1) {
      const shard = held.get(at % 2 === 0 ? 2 : 3);
      if (shard && shard.rights - shard.used < needMinor) {
        shard.asked += 1;
        const message = request(at % 2 === 0 ? 2 : 3, shard.asked, needMinor);
        const step = deliver(purse, 0n, message, context);
        purse = step.purse;
        shard.rights = rowOf(purse, at % 2 === 0 ? 2 : 3).grantedMinor;
      }
      if (shard) {
        shard.used += needMinor;
        expect(shard.rights >= shard.used).toBe(true);
      }
    }
    const grants = [...held.values()].reduce((sum, { asked }) => sum + asked, 0);
    expect(grants).toBeGreaterThan(2);
    expect((grants - held.size) * 100).toBeLessThan(orders);
  });
});
