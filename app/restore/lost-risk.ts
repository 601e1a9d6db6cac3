/** What central has of a lost shard beside its orders, in the shard's own terms. */
import type { AccountId, InstrumentSymbol } from "../../shards/domain/brands.ts";
import { ENTITY_TYPES, purseKey } from "../../shards/domain/entities.ts";
import type { PurseKey, Transfer } from "../../shards/domain/escrow/types.ts";
import type { FillEffect } from "../../shards/domain/event.ts";
import type { Instrument } from "../../shards/domain/instrument.ts";
import type {
  AccountSettings,
  Position,
  ScopedTradingState,
  SymbolSettings,
} from "../../shards/domain/risk/types.ts";
import type { RestoredRisk } from "../../shards/store/restored-file.ts";
import type { CentralReader } from "../central/central-reader.ts";
import { type AccountTotals, type EntityRow, readEntity } from "../central/entity-row.ts";

type Seen = NonNullable<RestoredRisk["executions"]>[number];

export class LostRisk {
  readonly positions: Position[] = [];
  readonly symbolSettings: SymbolSettings[] = [];
  readonly accountSettings: AccountSettings[] = [];
  readonly tradingStates: ScopedTradingState[] = [];
  readonly quarantined: { readonly entityKey: string; readonly value: string }[] = [];
  readonly transfers = new Map<string, (PurseKey & Transfer)[]>();
  readonly accounts = new Map<string, AccountTotals>();
  readonly #fills = new Map<Position, FillEffect>();
  readonly #seen = new Map<string, Seen>();

  add({ type, entityKey, value }: EntityRow): void {
    const entity = readEntity(type, value);
    switch (entity.of) {
      case "position": {
        const { position, fill } = entity;
        this.positions.push(position);
        if (fill === undefined) break;
        this.#fills.set(position, fill);
        this.#saw(position.symbol, fill.executionId);
        break;
      }
      case "symbol_settings":
        this.symbolSettings.push(entity.settings);
        break;
      case "account_settings":
        this.accountSettings.push(entity.settings);
        break;
      case "trading_state":
        this.tradingStates.push(entity.tradingState);
        break;
      case "quarantined":
        this.quarantined.push({ entityKey, value });
        this.#saw(entity.quarantined.symbol, entity.quarantined.executionId);
        break;
      case "account":
        this.accounts.set(keyOf(entity.account), entity.account);
        break;
      case "transfer": {
        const key = keyOf(entity.transfer);
        const known = this.transfers.get(key);
        if (known === undefined) this.transfers.set(key, [entity.transfer]);
        else known.push(entity.transfer);
      }
    }
  }

  #saw(symbol: string, executionId: string): void {
    const seen = { symbol: symbol as InstrumentSymbol, executionId };
    this.#seen.set(`${symbol}:${executionId}`, seen);
  }

  /** The latest of each position, and those that were put aside: older ones are not in central. */
  get executions(): readonly Seen[] {
    return [...this.#seen.values()];
  }

  /** Purses that the latest fills of positions in another margin asset have charged fees to. */
  foreignFees(instruments: Instruments): readonly PurseKey[] {
    return [...this.#fills].flatMap(([{ accountId, symbol }, { feeAsset, feeMinor }]) => {
      const isForeign = feeMinor !== 0n && feeAsset !== instruments.get(symbol)?.marginAsset;
      return isForeign ? { accountId, asset: feeAsset } : [];
    });
  }

  /**
   * What a purse has realised, fees taken off: the sums of its positions. Undefined for one that
   * positions in another margin asset have charged fees to, or may have done so: nobody sums them.
   */
  realised(instruments: Instruments): (key: PurseKey) => bigint | undefined {
    const sums = new Map<string, bigint>();
    const traded = new Set<AccountId>();
    for (const { accountId, symbol, realisedMinor, feesMinor } of this.positions) {
      const asset = instruments.get(symbol)?.marginAsset;
      if (asset === undefined) continue;
      traded.add(accountId);
      const key = purseKey(accountId, asset);
      sums.set(key, (sums.get(key) ?? 0n) + realisedMinor - feesMinor);
    }
    const charged = new Set(this.foreignFees(instruments).map(keyOf));
    return (key) => {
      if (charged.has(keyOf(key))) return undefined;
      return sums.get(keyOf(key)) ?? (traded.has(key.accountId) ? undefined : 0n);
    };
  }
}

type Instruments = ReadonlyMap<InstrumentSymbol, Instrument>;

const keyOf = ({ accountId, asset }: PurseKey): string => purseKey(accountId, asset);

const CHUNK_ROWS = 5000;

export const readLostRisk = async (central: CentralReader, shard: string): Promise<LostRisk> => {
  const risk = new LostRisk();
  for (const type of ENTITY_TYPES) {
    for (let after = ""; ; ) {
      const rows = await central.entities({ shard, type, after }, CHUNK_ROWS);
      const last = rows.at(-1);
      if (last === undefined) break;
      for (const row of rows) risk.add(row);
      after = last.entityKey;
    }
  }
  return risk;
};
