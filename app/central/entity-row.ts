/**
 * What central reads out of a record beside the orders, and what that is in a shard's own terms. As
 * with orders a value counts as readable only if it renders to the very same text again.
 */
import type { AccountId, InstrumentSymbol } from "../../shards/domain/brands.ts";
import { MONEY_SCALE, SCALE_MAX } from "../../shards/domain/decimal.ts";
import {
  accountKey,
  accountSettingsKey,
  type EntityType,
  executionKey,
  positionKey,
  purseKey,
  renderAccount,
  renderAccountSettings,
  renderPosition,
  renderQuarantined,
  renderSymbolSettings,
  renderTradingState,
  renderTransfer,
  scopeKey,
  symbolSettingsKey,
  transferKey,
} from "../../shards/domain/entities.ts";
import type { PurseKey, Transfer } from "../../shards/domain/escrow/types.ts";
import type { FillEffect } from "../../shards/domain/event.ts";
import { POSITION_SIDES } from "../../shards/domain/order.ts";
import {
  type AccountSettings,
  MARGIN_MODES,
  POSITION_MODES,
  type Position,
  type ScopedTradingState,
  type SymbolSettings,
  TRADING_STATES,
  type TradingScope,
} from "../../shards/domain/risk/types.ts";
import type { CommittedRecord } from "../../shards/protocol/record.ts";
import { expectNumbers, parseObject, UnreadableRecord } from "./record-value.ts";
import type { entities } from "./schema.ts";

/** One row of `entities`: the newest value of one key, and the place of its record. */
export type EntityRow = typeof entities.$inferSelect;

/** What a bank had told when its record was made. */
export interface AccountTotals extends PurseKey {
  readonly depositedMinor: bigint;
  readonly withdrawnMinor: bigint;
  /** Σ of all shards. */
  readonly realisedMinor: bigint;
  readonly grantedMinor: bigint;
  readonly term: number;
  readonly version: number;
}

export interface QuarantinedOfShard {
  readonly executionId: string;
  readonly reason: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** As JSON. */
  readonly execution: string;
  /** The execution's own; the shard may not have it. */
  readonly symbol: string;
}

/** A value in a shard's own terms. */
export type Entity =
  | { readonly of: "position"; readonly position: Position; readonly fill?: FillEffect }
  | { readonly of: "symbol_settings"; readonly settings: SymbolSettings }
  | { readonly of: "account_settings"; readonly settings: AccountSettings }
  | { readonly of: "trading_state"; readonly tradingState: ScopedTradingState }
  | { readonly of: "quarantined"; readonly quarantined: QuarantinedOfShard }
  | { readonly of: "account"; readonly account: AccountTotals }
  | { readonly of: "transfer"; readonly transfer: PurseKey & Transfer };

/** Throws {@link UnreadableRecord}. */
export const readEntity = (type: EntityType, value: string): Entity => {
  const entity = READERS[type](parseObject(value) as Body);
  if (renderEntity(entity) !== value) {
    throw new UnreadableRecord(`the ${type} is not rendered as this version renders it`);
  }
  return entity;
};

/** The row that the record brings. Throws {@link UnreadableRecord}. */
export const entityRowOf = (record: CommittedRecord, type: EntityType): EntityRow => {
  const { shard, value, at, epoch, commitSeq, partition, seq } = record;
  const entity = readEntity(type, value);
  const key = recordKeyOf(entity);
  const isQuarantined = entity.of === "quarantined" && record.key === "";
  if (record.key !== key && !isQuarantined) {
    throw new UnreadableRecord(`the key is ${record.key}, the ${type} is ${key}'s`);
  }
  const entityKey = entityKeyOf(entity);
  return { shard, type, entityKey, value, at, epoch, commitSeq, partition, seq };
};

/** Whether `a` was written behind `b`; of one key, so of one shard. */
export const isNewerRow = (a: EntityRow, b: EntityRow): boolean =>
  a.epoch > b.epoch || (a.epoch === b.epoch && a.commitSeq > b.commitSeq);

/** The key under which central keeps it. */
export const entityKeyOf = (entity: Entity): string => {
  switch (entity.of) {
    case "position": {
      const { accountId, symbol, side } = entity.position;
      return positionKey(accountId, symbol, side);
    }
    case "symbol_settings":
      return symbolSettingsKey(entity.settings.accountId, entity.settings.symbol);
    case "account_settings":
      return accountSettingsKey(entity.settings.accountId);
    case "trading_state":
      return scopeKey(entity.tradingState.scope);
    case "quarantined":
      return executionKey(entity.quarantined.symbol, entity.quarantined.executionId);
    case "account":
      return purseKey(entity.account.accountId, entity.account.asset);
    case "transfer": {
      const { accountId, asset, transferId } = entity.transfer;
      return transferKey(accountId, asset, transferId);
    }
  }
};

/** What decides the record's partition. */
const recordKeyOf = (entity: Entity): string => {
  switch (entity.of) {
    case "position":
      return entity.position.symbol;
    case "symbol_settings":
    case "account_settings":
      return accountKey(entity.settings.accountId);
    case "trading_state":
      return scopeKey(entity.tradingState.scope);
    case "quarantined":
      return entity.quarantined.symbol;
    case "account":
      return accountKey(entity.account.accountId);
    case "transfer":
      return accountKey(entity.transfer.accountId);
  }
};

const renderEntity = (entity: Entity): string => {
  switch (entity.of) {
    case "position":
      return renderPosition(entity.position, entity.fill);
    case "symbol_settings":
      return renderSymbolSettings(entity.settings);
    case "account_settings":
      return renderAccountSettings(entity.settings);
    case "trading_state":
      return renderTradingState(entity.tradingState);
    case "quarantined":
      return renderQuarantined(entity.quarantined);
    case "account":
      return renderTotals(entity.account);
    case "transfer":
      return renderTransfer(entity.transfer.accountId, entity.transfer.asset, entity.transfer);
  }
};

/** A bank of one shard that has all of it renders to the same text. */
const renderTotals = (totals: AccountTotals): string => {
  const { accountId, asset, realisedMinor: pnlTotalMinor, grantedMinor, ...bank } = totals;
  const row = { shardIndex: 0, epoch: 0, grantedMinor, pnlTotalMinor, unsecuredTotalMinor: 0n };
  const numbers = { lastReq: 0, lastEvt: 0, reportedTerm: 0, claim: false };
  const reply = { replyCode: "OK", replyGrantedMinor: 0n } as const;
  return renderAccount(accountId, asset, { ...bank, shards: [{ ...row, ...numbers, ...reply }] });
};

/** A parsed value: nothing of it is sure. Wrong types show when it is rendered again. */
type Body = Readonly<Record<string, unknown>>;

const READERS: Readonly<Record<EntityType, (body: Body) => Entity>> = {
  position_changed: (body) => {
    const priceScale = scaleOf(body.priceDecimals);
    const quantityScale = scaleOf(body.quantityDecimals);
    expectNumbers(body.version, body.updatedAt);
    const position: Position = {
      accountId: accountIdOf(body),
      symbol: body.symbol as InstrumentSymbol,
      side: oneOf(POSITION_SIDES, body.positionSide),
      quantityUnits: Number(unitsOf(body.quantity, quantityScale)),
      costUnits: unitsOf(body.cost, priceScale + quantityScale),
      priceScale,
      quantityScale,
      realisedMinor: minorOf(body.realised),
      feesMinor: minorOf(body.fees),
      version: body.version as number,
      updatedAt: body.updatedAt as number,
    };
    if (body.fill === undefined) return { of: "position", position };
    return { of: "position", position, fill: fillOf(body.fill) };
  },
  settings_changed: (body) => {
    expectNumbers(body.version);
    const accountId = accountIdOf(body);
    const version = body.version as number;
    if (body.symbol === undefined) {
      const positionMode = oneOf(POSITION_MODES, body.positionMode);
      return { of: "account_settings", settings: { accountId, positionMode, version } };
    }
    expectNumbers(body.leverage);
    const settings: SymbolSettings = {
      accountId,
      symbol: body.symbol as InstrumentSymbol,
      leverage: body.leverage as number,
      marginMode: oneOf(MARGIN_MODES, body.marginMode),
      version,
    };
    return { of: "symbol_settings", settings };
  },
  trading_state_changed: (body) => {
    expectNumbers(body.version);
    const scope = scopeOf(body.scope);
    const state = oneOf(TRADING_STATES, body.state);
    const version = body.version as number;
    return { of: "trading_state", tradingState: { scope, state, version } };
  },
  execution_quarantined: (body) => {
    expectNumbers(body.at);
    const { executionId, reason, execution } = body;
    expectTexts(executionId, reason);
    const symbol = (execution as Body | null | undefined)?.symbol;
    expectTexts(symbol);
    const quarantined = {
      executionId: executionId as string,
      reason: reason as string,
      at: body.at as number,
      execution: JSON.stringify(execution),
      symbol: symbol as string,
    };
    return { of: "quarantined", quarantined };
  },
  account_changed: (body) => {
    expectTexts(body.asset);
    expectNumbers(body.term, body.version);
    const account: AccountTotals = {
      accountId: accountIdOf(body),
      asset: body.asset as string,
      depositedMinor: minorOf(body.deposited),
      withdrawnMinor: minorOf(body.withdrawn),
      realisedMinor: minorOf(body.realised),
      grantedMinor: minorOf(body.granted),
      term: body.term as number,
      version: body.version as number,
    };
    return { of: "account", account };
  },
  transfer_decided: (body) => {
    expectTexts(body.asset, body.transferId);
    expectNumbers(body.at);
    const transfer: PurseKey & Transfer = {
      accountId: accountIdOf(body),
      asset: body.asset as string,
      transferId: body.transferId as string,
      amountMinor: minorOf(body.amount),
      outcome: oneOf(["PAID", "REFUSED"], body.outcome),
      at: body.at as number,
    };
    return { of: "transfer", transfer };
  },
};

const fillOf = (value: unknown): FillEffect => {
  if (typeof value !== "object" || value === null) throw new UnreadableRecord("fill is no object");
  const fill = value as Body;
  const orderId = Number(fill.orderId);
  expectNumbers(orderId);
  expectTexts(fill.executionId, fill.feeAsset);
  return {
    executionId: fill.executionId as string,
    orderId,
    realisedMinor: minorOf(fill.realised),
    feeMinor: minorOf(fill.fee),
    feeAsset: fill.feeAsset as string,
  };
};

const ACCOUNT_SCOPE = /^account:(\d{1,16})$/;

const scopeOf = (value: unknown): TradingScope => {
  if (value === "all") return { kind: "all" };
  if (typeof value !== "string") throw new UnreadableRecord("the scope is no text");
  const account = ACCOUNT_SCOPE.exec(value)?.[1];
  return account === undefined
    ? { kind: "symbol", symbol: value as InstrumentSymbol }
    : { kind: "account", accountId: Number(account) as AccountId };
};

const accountIdOf = ({ accountId }: Body): AccountId => {
  const id = Number(accountId);
  expectNumbers(id);
  return id as AccountId;
};

const oneOf = <T extends string>(known: readonly T[], value: unknown): T => {
  const found = known.find((one) => one === value);
  if (found !== undefined) return found;
  throw new UnreadableRecord(`${JSON.stringify(value)} is none of ${known.join(", ")}`);
};

const scaleOf = (value: unknown): number => {
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= SCALE_MAX) {
    return value as number;
  }
  throw new UnreadableRecord(`${JSON.stringify(value)} decimals are not 0 to ${SCALE_MAX}`);
};

const expectTexts = (...values: readonly unknown[]): void => {
  if (values.every((value) => typeof value === "string")) return;
  throw new UnreadableRecord("a text is missing");
};

const SIGNED_DECIMAL = /^-?\d{1,60}(?:\.\d{1,36})?$/;

/** Digits without the point; another number of decimals shows when it is rendered again. */
const unitsOf = (text: unknown, scale: number): bigint => {
  const decimals = typeof text === "string" ? (text.split(".")[1] ?? "").length : 0;
  if (typeof text === "string" && SIGNED_DECIMAL.test(text) && decimals === scale) {
    return BigInt(text.replace(".", ""));
  }
  throw new UnreadableRecord(`${JSON.stringify(text)} is no decimal of ${scale} decimals`);
};

const minorOf = (text: unknown): bigint => unitsOf(text, MONEY_SCALE);
