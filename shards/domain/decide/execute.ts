/**
 * What a matching engine says of an order. Each execution is applied once and whole, or put aside
 * whole, with a reason for somebody to look at; never in part.
 */
import type { Execution } from "../command.ts";
import { multiplyExact, parseUnits } from "../decimal.ts";
import type { DomainEvent, PositionChanged } from "../event.ts";
import type { Instrument } from "../instrument.ts";
import { isOpen, type Order } from "../order.ts";
import { remainingUnits } from "../risk/exposure.ts";
import { fitsMoney, parseMoney } from "../risk/money.ts";
import { applyFill, type FilledPosition, fitsPosition } from "../risk/position.ts";
import { realisedBy } from "../risk/realised.ts";
import { settledMargin } from "./amend.ts";
import { Changes } from "./changes.ts";
import { activateChildren } from "./children.ts";
import { cutReducing } from "./reducing.ts";
import type { Decision, DecisionView, QuarantineReason } from "./types.ts";

type Executed = Extract<Decision, { kind: "executed" }>;

/** An order, its instrument and what came for it. */
interface Matched {
  readonly view: DecisionView;
  readonly execution: Execution;
  readonly instrument: Instrument;
  readonly order: Order;
  readonly now: number;
}

export const decideExecution = (
  view: DecisionView,
  execution: Execution,
  now: number,
): Executed => {
  const { symbol, executionId } = execution;
  if (view.hasExecution(symbol, executionId)) {
    const result = { status: "duplicate" } as const;
    const nothing = { seen: null, quarantined: null, lastPriceUnits: null };
    return { kind: "executed", events: [], result, ...nothing };
  }
  const matched = match(view, execution, now);
  const applied = typeof matched === "string" ? matched : apply(matched);
  if (typeof applied === "string") return quarantine(view, execution, applied, now);
  return {
    kind: "executed",
    ...applied,
    result: { status: "applied" },
    seen: { executionId, symbol },
    quarantined: null,
  };
};

const quarantine = (
  view: DecisionView,
  execution: Execution,
  reason: QuarantineReason,
  at: number,
): Executed => {
  const { executionId, symbol } = execution;
  const aside = { executionId, reason, execution: JSON.stringify(execution) };
  const stamp = view.nextStamp(view.instrument(symbol) === undefined ? "" : symbol);
  return {
    kind: "executed",
    events: [{ type: "execution_quarantined", stamp, ...aside, at }],
    result: { status: "quarantined", reason },
    seen: { executionId, symbol },
    quarantined: aside,
    lastPriceUnits: null,
  };
};

const match = (
  view: DecisionView,
  execution: Execution,
  now: number,
): Matched | QuarantineReason => {
  const instrument = view.instrument(execution.symbol);
  if (instrument === undefined) return "unknown_symbol";
  const order = view.order(execution.orderId);
  if (order === undefined) return "unknown_order";
  if (order.symbol !== execution.symbol) return "symbol_mismatch";
  // A fill may overtake an amendment: the engine then knows of nothing that it could amend.
  if (!isOpen(order.status) && execution.kind !== "AMEND_REJECTED") return "order_closed";
  // It has never left this shard: the engine can't know it.
  if (order.status === "PENDING" || order.status === "UNTRIGGERED") return "order_not_live";
  return { view, execution, instrument, order, now };
};

interface Applied {
  readonly events: readonly DomainEvent[];
  readonly lastPriceUnits: number | null;
}

const apply = (matched: Matched): Applied | QuarantineReason => {
  switch (matched.execution.kind) {
    case "FILL":
      return applyFillOf(matched);
    case "AMENDED":
      return applyAmended(matched);
    case "AMEND_REJECTED":
      return applyAmendRejected(matched);
    case "CANCEL":
      return end(matched, "CANCELED", "CANCELED");
    case "EXPIRE":
      return end(matched, "EXPIRED", "EXPIRED");
    case "REJECT":
      // What has traded was not rejected: only its rest was.
      return end(matched, matched.order.executedUnits === 0 ? "REJECTED" : "CANCELED", "REJECTED");
  }
};

const end = (
  { view, order, now }: Matched,
  status: "CANCELED" | "EXPIRED" | "REJECTED",
  reason: "CANCELED" | "EXPIRED" | "REJECTED",
): Applied => {
  const changes = new Changes(view, now);
  changes.change(order, { status, amendment: null }, reason);
  changes.dropPendingChildren(order);
  return { events: changes.events, lastPriceUnits: null };
};

/** Units of a price or quantity > 0 on the instrument's scale; null for any other text. */
const positiveUnits = (text: string | null, scale: number): number | null => {
  const units = text === null ? null : parseUnits(text, scale);
  return typeof units === "number" && units > 0 ? units : null;
};

/**
 * The most that one fill may realise or cost in fees, a billion of the asset: sums of such amounts
 * have to fit into the 64 bits of the file, and a price that leads beyond is nobody's price.
 */
const FILL_MINOR_MAX = 10n ** 17n;
const isPlausible = (minor: bigint): boolean => minor <= FILL_MINOR_MAX && minor >= -FILL_MINOR_MAX;

interface Fill {
  readonly priceUnits: number;
  readonly quantityUnits: number;
  readonly feeMinor: bigint;
  readonly feeAsset: string;
}

const readFill = ({ execution, order, instrument }: Matched): Fill | null => {
  const priceUnits = positiveUnits(execution.price, order.priceScale);
  const quantityUnits = positiveUnits(execution.quantity, order.quantityScale);
  const feeMinor = execution.fee === null ? 0n : parseMoney(execution.fee);
  if (priceUnits === null || quantityUnits === null) return null;
  if (typeof feeMinor !== "bigint" || !isPlausible(feeMinor)) return null;
  const feeAsset = execution.feeAsset ?? instrument.marginAsset;
  return { priceUnits, quantityUnits, feeMinor, feeAsset };
};

const applyFillOf = (matched: Matched): Applied | QuarantineReason => {
  const { view, order, now } = matched;
  const fill = readFill(matched);
  if (fill === null) return "unreadable";
  const executedUnits = order.executedUnits + fill.quantityUnits;
  // The engine may have taken up an amendment, or not yet.
  const fillableUnits = remainingUnits(order);
  if (fill.quantityUnits > fillableUnits) return "overfill";
  const { accountId, symbol, side, positionSide } = order;
  const before = view.position(accountId, symbol, positionSide);
  const { priceUnits, quantityUnits } = fill;
  if (!fitsPosition(before, { side, positionSide, quantityUnits })) return "position_impossible";
  const trade = { accountId, symbol, side, positionSide, priceUnits, quantityUnits };
  const after = applyFill(before, trade, matched.instrument, now);
  const effect = effectOf(matched, after, fill);
  if (!isPlausible(after.realisedMinor) || !fitsTotals(matched, effect)) {
    return "position_impossible";
  }
  const isFilled = fill.quantityUnits === fillableUnits;
  // More than the order had: so the engine did take the amendment up.
  const taken = isFilled && executedUnits > order.quantityUnits ? order.amendment : null;
  const changes = new Changes(view, now);
  const filled = changes.change(
    order,
    {
      ...taken,
      executedUnits,
      costUnits: order.costUnits + multiplyExact(priceUnits, quantityUnits),
      status: isFilled
        ? "FILLED"
        : order.status === "PENDING_CANCEL"
          ? "PENDING_CANCEL"
          : "PARTIALLY_FILLED",
      amendment: isFilled ? null : order.amendment,
    },
    "FILLED",
  );
  const moved = { type: "position_changed", stamp: view.nextStamp(symbol), ...effect } as const;
  activateChildren(changes, filled.order);
  cutAfterFill(changes, order, before?.quantityUnits ?? 0, moved.position.quantityUnits);
  const [first, ...others] = changes.events;
  if (first === undefined) throw new Error("a fill without its order's event");
  return { events: [first, moved, ...others], lastPriceUnits: priceUnits };
};

type Effect = Pick<PositionChanged, "position" | "fill">;

const effectOf = (
  { order: { orderId }, instrument, execution: { executionId } }: Matched,
  { position, realisedMinor }: FilledPosition,
  { feeMinor, feeAsset }: Fill,
): Effect => {
  const feesMinor =
    feeAsset === instrument.marginAsset ? position.feesMinor + feeMinor : position.feesMinor;
  return {
    position: { ...position, feesMinor },
    fill: { executionId, orderId, realisedMinor, feeMinor, feeAsset },
  };
};

/** Totals grow with every fill, and one that the file can't hold would stop the whole shard. */
const fitsTotals = ({ view, instrument }: Matched, { position, fill }: Effect): boolean =>
  fitsMoney(position.realisedMinor) &&
  fitsMoney(position.feesMinor) &&
  realisedBy(fill, instrument.marginAsset).every(({ asset, deltaMinor }) =>
    view.canRealise(position.accountId, asset, deltaMinor),
  );

/** What no longer fits ends. Conditional orders stay; they are sized when they trigger. */
const cutAfterFill = (
  changes: Changes,
  { accountId, symbol, positionSide }: Order,
  beforeUnits: number,
  afterUnits: number,
): void => {
  const side = beforeUnits > 0 ? "SELL" : "BUY";
  const closableUnits = Math.max(0, beforeUnits > 0 ? afterUnits : -afterUnits);
  if (closableUnits >= Math.abs(beforeUnits)) return;
  cutReducing(changes, { accountId, symbol, positionSide, side }, closableUnits);
};

const applyAmended = (matched: Matched): Applied | QuarantineReason => {
  const { view, order, execution, instrument } = matched;
  const { amendment } = order;
  if (amendment === null) return "no_amendment";
  const { priceUnits } = amendment;
  const isAsWished = (text: string | null, scale: number, wished: number): boolean =>
    text === null || positiveUnits(text, scale) === wished;
  if (
    !isAsWished(execution.price, order.priceScale, priceUnits) ||
    !isAsWished(execution.quantity, order.quantityScale, amendment.quantityUnits)
  ) {
    return "amendment_mismatch";
  }
  // Fills have crossed it: as in FIX, the order is then as large as what has traded of it.
  const quantityUnits = Math.max(amendment.quantityUnits, order.executedUnits);
  const margin = settledMargin(view, instrument, order, { priceUnits, quantityUnits });
  return settle(matched, { priceUnits, quantityUnits, ...margin }, "AMENDED");
};

const applyAmendRejected = (matched: Matched): Applied | QuarantineReason => {
  const { view, order, instrument } = matched;
  if (!isOpen(order.status)) return { events: [], lastPriceUnits: null };
  if (order.amendment === null) return "no_amendment";
  // It has filled more than the order had: so the engine did take the amendment up.
  if (order.quantityUnits < order.executedUnits) return "overfill";
  const { priceUnits, quantityUnits } = order;
  const margin = settledMargin(view, instrument, order, { priceUnits, quantityUnits });
  return settle(matched, { priceUnits, quantityUnits, ...margin }, "AMEND_REJECTED");
};

/** The amendment is decided; fills may have reached the quantity that now holds. */
const settle = (
  { view, order, now }: Matched,
  change: Pick<Order, "priceUnits" | "quantityUnits" | "marginPriceUnits" | "openLossMinor">,
  reason: "AMENDED" | "AMEND_REJECTED",
): Applied => {
  const changes = new Changes(view, now);
  const status = change.quantityUnits === order.executedUnits ? "FILLED" : order.status;
  changes.change(order, { ...change, status, amendment: null }, reason);
  return { events: changes.events, lastPriceUnits: null };
};
