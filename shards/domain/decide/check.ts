/** `POST /v1/orders/check`: the decision on a placement and its numbers; nothing is kept of it. */
import type { AccountId } from "../brands.ts";
import { formatUnits, multiplyExact } from "../decimal.ts";
import type { OrderRequest } from "../order.ts";
import type { Problem } from "../problem.ts";
import { ceilDiv, formatMoney, marginCeil } from "../risk/money.ts";
import { checkMargin } from "./funds.ts";
import { decideReuse, type Judged, judge } from "./place.ts";
import type { Refusal } from "./problems.ts";
import type { BankAnswered, Decision, DecisionView } from "./types.ts";

/**
 * JSON of what `place` would come to. A shortfall is this shard's own: `margin_insufficient` here
 * is no refusal where the account has enough elsewhere. The numbers are absent where an earlier rule
 * refuses; `leverage` is null and money 0 where no margin is asked of the order. `unavailable`: why
 * the account can have no more of that asset on this shard now, whatever it has elsewhere.
 */
export const decideCheck = (
  view: DecisionView,
  accountId: AccountId,
  request: OrderRequest,
  now: number,
  unavailable: (asset: string) => Problem | undefined = () => undefined,
): string => {
  const reused = decideReuse(view, accountId, request);
  if (reused !== null) return renderReuse(reused);
  const closed = view.admission();
  if (closed !== undefined) return renderRefused(closed);
  const judged = judge(view, accountId, request, now);
  if ("code" in judged) return renderRefused(judged);
  const short = judged.funds === null ? null : checkMargin(view, judged.funds, HERE_ALONE);
  const numbers = numbersOf(view, judged);
  if (short === null) return JSON.stringify({ decision: "accepted", ...numbers });
  if ("kind" in short) throw new Error("a check asks nobody");
  const without = unavailable(judged.placement.instrument.marginAsset);
  if (without !== undefined) return renderRefused(without, numbers);
  return renderRefused(short, numbers);
};

/** As if the account had nothing elsewhere. */
const HERE_ALONE: BankAnswered = { freeMinor: 0n };

const renderRefused = (
  { code, detail, context }: Pick<Refusal, "detail"> & { code: string; context?: object },
  numbers: object = {},
): string => JSON.stringify({ decision: "refused", code, detail, context, ...numbers });

const renderReuse = (reused: Decision): string => {
  if (reused.kind === "refused") return renderRefused(reused.problem);
  if (reused.kind !== "replayed") throw new Error(`a used id comes to ${reused.kind}`);
  const { status, body } = reused.outcome;
  if (status === 201) return JSON.stringify({ decision: "accepted", isReplay: true });
  const stored: { code: string; detail: string; context?: object } = JSON.parse(body);
  return renderRefused(stored, { isReplay: true });
};

const RATIO_ONE = 100_000_000n;

const numbersOf = (view: DecisionView, { placement, draft, funds }: Judged): object => {
  const { instrument, mark } = placement;
  const { accountId } = draft;
  const asset = instrument.marginAsset;
  const notionalUnits =
    funds === null ? 0n : multiplyExact(draft.marginPriceUnits, draft.quantityUnits);
  const feesUnits = marginCeil(notionalUnits * BigInt(view.riskSettings.feeRateUnits), instrument);
  const required = funds?.increaseMinor ?? 0n;
  const used = view.usedMinor(accountId, asset);
  const rights = view.rightsMinor(accountId, asset);
  return {
    asset,
    required: formatMoney(required > 0n ? required : 0n),
    used: formatMoney(used),
    rights: formatMoney(rights),
    unused: formatMoney(rights > used ? rights - used : 0n),
    leverage: funds?.leverage ?? null,
    notional: formatMoney(marginCeil(notionalUnits, instrument)),
    fees: formatMoney(ceilDiv(feesUnits, RATIO_ONE)),
    openLoss: formatMoney(draft.openLossMinor),
    markPrice: mark === undefined ? null : formatUnits(mark.priceUnits, instrument.priceScale),
  };
};
