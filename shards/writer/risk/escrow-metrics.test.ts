import { expect, test } from "bun:test";
import { riskTerms } from "../../../tests/support/shard-state.ts";
import type { AccountId, InstrumentSymbol } from "../../domain/brands.ts";
import type { Instrument } from "../../domain/instrument.ts";
import { createRegistry } from "../../process/metrics.ts";
import { EscrowMetrics } from "./escrow-metrics.ts";
import { type PurseCell, Purses } from "./purses.ts";
import type { RiskState } from "./risk-state.ts";

const STARTED_AT = 1_790_000_000_000;
const cell = (times: Pick<PurseCell, "askedAt" | "outboxAt">): PurseCell =>
  ({ key: { accountId: 1 as AccountId, asset: "USDT" }, ...times }) as PurseCell;
const mark = (symbol: string, at: number) =>
  [symbol, { symbol: symbol as InstrumentSymbol, priceUnits: 1, at }] as const;

test("what waited before the start is as old as the start; marks past their age are counted", () => {
  const risk = {
    terms: riskTerms(),
    purses: new Purses(),
    ticking: new Set([
      cell({ askedAt: 0, outboxAt: null }),
      cell({ askedAt: null, outboxAt: STARTED_AT + 3_000 }),
    ]),
    marks: new Map([
      mark("BTCUSDT", STARTED_AT),
      mark("ETHUSDT", STARTED_AT + 9_000),
      mark("FTTUSDT", STARTED_AT),
    ]),
  } as unknown as RiskState;
  const metrics = new EscrowMetrics(createRegistry({}));
  metrics.watch(risk, () => STARTED_AT);
  const { markAgeMsMax } = risk.terms.settings;
  const statuses = { BTCUSDT: "TRADING", ETHUSDT: "TRADING", FTTUSDT: "SETTLING" };
  const instruments = new Map(
    Object.entries(statuses).map(([symbol, status]) => [symbol, { symbol, status } as Instrument]),
  );
  expect(metrics.describe({ risk, instruments }, STARTED_AT + markAgeMsMax + 1)).toEqual({
    isReconciling: false,
    pendingAgeMs: markAgeMsMax + 1,
    outboxAgeMs: markAgeMsMax - 2_999,
    staleMarks: 1,
  });
});
