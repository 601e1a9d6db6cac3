/**
 * Whether the money in shard files at rest holds: what orders and positions use is counted again
 * from their rows, with the margin oracle, and compared with the rights that the shard has and with
 * what the account's bank has granted.
 */
import type { AccountId } from "../../shards/domain/brands.ts";
import type { Instrument } from "../../shards/domain/instrument.ts";
import { isOpen } from "../../shards/domain/order.ts";
import type { PositionFill } from "../../shards/domain/risk/position.ts";
import type {
  HeldAllotment,
  HeldBank,
  HeldBankRow,
  HeldPositionRow,
  ShardAtRest,
} from "./margin-files.ts";
import { oracleMargin } from "./margin-oracle.ts";

/** As `SLUICE_MARGIN_FEE_RATE` and `SLUICE_MARGIN_LEVERAGE` are when nobody sets them. */
const FEE_RATE_UNITS = 50_000;
const LEVERAGE = 20;

/** Fills that come to a position of this quantity and exactly this cost. */
const fillsFor = (position: HeldPositionRow): readonly PositionFill[] => {
  const { accountId, symbol, side: positionSide, quantityUnits, costUnits } = position;
  if (quantityUnits === 0) return [];
  const size = BigInt(Math.abs(quantityUnits));
  const price = costUnits / size;
  const dearer = costUnits % size;
  const fill = (priceUnits: bigint, units: bigint): PositionFill => ({
    accountId: accountId as AccountId,
    symbol: symbol as PositionFill["symbol"],
    side: quantityUnits > 0 ? "BUY" : "SELL",
    positionSide,
    priceUnits: Number(priceUnits),
    quantityUnits: Number(units),
  });
  return [fill(price, size - dearer), ...(dearer === 0n ? [] : [fill(price + 1n, dearer)])];
};

/** What orders and positions of each purse use on a shard, by the oracle. */
export const usedOn = (
  shard: ShardAtRest,
  instruments: readonly Instrument[],
): ReadonlyMap<string, bigint> => {
  const pairOf = (one: { accountId: number; symbol: string }) => `${one.accountId}:${one.symbol}`;
  const orders = Map.groupBy(
    shard.orders.filter(({ status }) => isOpen(status)),
    pairOf,
  );
  const positions = Map.groupBy(shard.positions, pairOf);
  const used = new Map<string, bigint>();
  for (const pair of new Set([...orders.keys(), ...positions.keys()])) {
    const [account, symbol] = pair.split(":");
    const instrument = instruments.find((one) => one.symbol === symbol);
    if (instrument === undefined) throw new Error(`there is no instrument ${symbol}`);
    const { used: minor } = oracleMargin({
      market: instrument,
      leverage: shard.leverages.get(pair) ?? LEVERAGE,
      feeRateUnits: FEE_RATE_UNITS,
      orders: orders.get(pair) ?? [],
      fills: (positions.get(pair) ?? []).flatMap(fillsFor),
    });
    const key = `${account}:${instrument.marginAsset}`;
    used.set(key, (used.get(key) ?? 0n) + minor);
  }
  return used;
};

const sum = (values: readonly bigint[]): bigint => values.reduce((all, one) => all + one, 0n);

/**
 * Every unit is in one place and no order stands on money that is not there; each difference in a
 * sentence. `overhangMinor`: by how much a purse may use more than it has, 0n unless the test made
 * a fill that does so.
 */
export const moneyDifferences = (
  shards: readonly ShardAtRest[],
  instruments: readonly Instrument[],
  overhangMinor: (shard: string, purse: string) => bigint = () => 0n,
): readonly string[] => [
  ...shards.flatMap((shard) => purseDifferences(shard, instruments, overhangMinor)),
  ...shards.flatMap((home) =>
    [...home.banks].flatMap(([purse, bank]) =>
      bankDifferences(purse, bank, home.index, shards, instruments),
    ),
  ),
];

const purseDifferences = (
  shard: ShardAtRest,
  instruments: readonly Instrument[],
  overhangMinor: (shard: string, purse: string) => bigint,
): readonly string[] => {
  const used = usedOn(shard, instruments);
  const purses = new Set([...used.keys(), ...shard.allotments.keys(), ...shard.realised.keys()]);
  return [...purses].flatMap((purse) => {
    const where = `${purse} on ${shard.name}`;
    const { rightsMinor = 0n, pnlTotalMinor = 0n } = shard.allotments.get(purse) ?? {};
    const usedMinor = used.get(purse) ?? 0n;
    const realisedMinor = shard.realised.get(purse) ?? 0n;
    const found: string[] = [];
    if (rightsMinor < 0n) found.push(`${where} has rights of ${rightsMinor}`);
    if (usedMinor > rightsMinor + overhangMinor(shard.name, purse)) {
      found.push(`${where} uses ${usedMinor} of rights ${rightsMinor}`);
    }
    if (realisedMinor !== pnlTotalMinor) {
      found.push(`${where}: its fills made ${realisedMinor}, its total is ${pnlTotalMinor}`);
    }
    return found;
  });
};

const bankDifferences = (
  purse: string,
  bank: HeldBank,
  homeIndex: number,
  shards: readonly ShardAtRest[],
  instruments: readonly Instrument[],
): readonly string[] => {
  const found: string[] = [];
  const equityMinor =
    bank.depositedMinor - bank.withdrawnMinor + sum(bank.rows.map((row) => row.pnlTotalMinor));
  const grantedMinor = sum(bank.rows.map((row) => row.grantedMinor));
  const unsecuredMinor = sum(bank.rows.map((row) => row.unsecuredTotalMinor));
  if (grantedMinor > equityMinor + unsecuredMinor) {
    found.push(`${purse}: ${grantedMinor} granted of ${equityMinor}, ${unsecuredMinor} unsecured`);
  }
  let [madeMinor, lostMinor, usedMinor] = [0n, 0n, 0n];
  for (const shard of shards) {
    const row = bank.rows.find(({ shardIndex }) => shardIndex === shard.index);
    const allotment = shard.allotments.get(purse);
    found.push(...rowDifferences(`${purse} of ${shard.name}`, row, allotment, homeIndex));
    madeMinor += allotment?.pnlTotalMinor ?? 0n;
    lostMinor += allotment?.unsecuredTotalMinor ?? 0n;
    usedMinor += usedOn(shard, instruments).get(purse) ?? 0n;
  }
  const wholeMinor = bank.depositedMinor - bank.withdrawnMinor + madeMinor + lostMinor;
  if (usedMinor > wholeMinor) found.push(`${purse} uses ${usedMinor} of ${wholeMinor}`);
  return found;
};

const NO_ROW: HeldBankRow = {
  shardIndex: 0,
  grantedMinor: 0n,
  lastReq: 0n,
  replyGrantedMinor: 0n,
  lastEvt: 0n,
  pnlTotalMinor: 0n,
  unsecuredTotalMinor: 0n,
};
const NO_ALLOTMENT: HeldAllotment = {
  key: "",
  state: "LIVE",
  rightsMinor: 0n,
  pnlTotalMinor: 0n,
  unsecuredTotalMinor: 0n,
  pendingReqSeq: null,
  outbox: [],
};

/** The bank's row of a shard against the shard's own numbers, with all that is between them. */
const rowDifferences = (
  where: string,
  row: HeldBankRow = NO_ROW,
  allotment: HeldAllotment = NO_ALLOTMENT,
  homeIndex: number,
): readonly string[] => {
  const onTheWay = allotment.outbox.filter(({ evtSeq }) => evtSeq > row.lastEvt);
  const replied = allotment.pendingReqSeq === row.lastReq ? row.replyGrantedMinor : 0n;
  const lost = onTheWay
    .filter(({ isPnl }) => isPnl)
    .map(({ deltaMinor, unitsMinor }) => -deltaMinor - unitsMinor)
    .filter((minor) => minor > 0n);
  const units = sum(onTheWay.map(({ unitsMinor }) => unitsMinor));
  const made = sum(onTheWay.map(({ deltaMinor }) => deltaMinor));
  const pairs: readonly [string, bigint, bigint][] = [
    ["granted", row.grantedMinor, allotment.rightsMinor + units + replied],
    ["realised", row.pnlTotalMinor + made, allotment.pnlTotalMinor],
    ["unsecured", row.unsecuredTotalMinor + sum(lost), allotment.unsecuredTotalMinor],
    ...(row.shardIndex === homeIndex
      ? [["events to itself", BigInt(allotment.outbox.length), 0n] as [string, bigint, bigint]]
      : []),
  ];
  return pairs
    .filter(([, bank, shard]) => bank !== shard)
    .map(([what, bank, shard]) => `${where}: ${what} is ${bank} at the bank, ${shard} there`);
};

/** Parents without one of their children, children without their parent; both sides triggered. */
export const bracketDifferences = ({ name, orders, records }: ShardAtRest): readonly string[] => {
  const byId = new Map(orders.map((order) => [Number(order.orderId), order]));
  const found: string[] = [];
  for (const order of orders) {
    for (const { orderId } of order.children) {
      if (byId.get(Number(orderId))?.parentId !== order.orderId) {
        found.push(`${name}: order ${order.orderId} lacks its child ${orderId}`);
      }
    }
    const { parentId, orderId } = order;
    if (parentId === null) continue;
    const parent = byId.get(Number(parentId));
    if (parent?.children.some((child) => Number(child.orderId) === Number(orderId)) !== true) {
      found.push(`${name}: child ${orderId} lacks its parent ${parentId}`);
    }
  }
  const triggered = Map.groupBy(triggersIn(records), (one) => one.orderId);
  for (const [orderId, times] of triggered) {
    if (times.length > 1) found.push(`${name}: order ${orderId} triggered ${times.length} times`);
  }
  return found;
};

export interface TriggerRecord {
  readonly orderId: string;
  readonly parentOrderId?: string;
}

/** Every record of an order that went live because its price was reached. */
export const triggersIn = (records: ShardAtRest["records"]): readonly TriggerRecord[] =>
  records
    .filter(({ type }) => type === "order_changed")
    .map(({ value }) => JSON.parse(value) as TriggerRecord & { readonly reason: string })
    .filter(({ reason }) => reason === "TRIGGERED");
