/**
 * Every entity of the shard's tables in the text that is replicated, for whoever compares them
 * with central. Short reads, each of one moment; never an open cursor.
 */
import type { Database } from "bun:sqlite";
import {
  accountSettingsKey,
  type EntityType,
  positionKey,
  purseKey,
  renderAccount,
  renderAccountSettings,
  renderPosition,
  renderSymbolSettings,
  renderTradingState,
  renderTransfer,
  scopeKey,
  symbolSettingsKey,
  transferKey,
} from "../../domain/entities.ts";
import {
  ACCOUNT_SETTINGS,
  BANKS,
  type Kept,
  POSITIONS,
  QUARANTINED,
  type RowKind,
  readAfter,
  readOne,
  SYMBOL_SETTINGS,
  TRADING_STATES,
  TRANSFERS,
} from "./row-kinds.ts";

export interface StoredEntity {
  readonly type: EntityType;
  readonly entityKey: string;
  /** A position has no `fill` here. */
  readonly value: string;
  /** Of the batch with its latest change, or of a later one; 0: it is of an epoch before. */
  readonly lastCommitSeq: number;
}

type KeyValue = string | number;

interface EntitySource {
  readonly type: EntityType;
  /** undefined: the text is not of this source's keys. */
  readonly keyOf: (entityKey: string) => readonly KeyValue[] | undefined;
  readonly after: (key: readonly KeyValue[] | null, limit: number) => readonly StoredEntity[];
  readonly one: (key: readonly KeyValue[]) => StoredEntity | undefined;
}

/** `texts` is how many texts follow the account in a key; a colon may stand in the last one. */
const accountAnd =
  (texts: number) =>
  (entityKey: string): readonly KeyValue[] | undefined => {
    const [account = "", ...rest] = entityKey.split(":");
    if (rest.length < texts || (texts === 0 && rest.length > 0)) return undefined;
    if (texts === 0) return [Number(account)];
    return [Number(account), ...rest.slice(0, texts - 1), rest.slice(texts - 1).join(":")];
  };

const text = (entityKey: string): readonly KeyValue[] => [entityKey];

export class StoredEntities {
  readonly #sources: readonly EntitySource[];

  constructor(database: Database) {
    const source = <T>(
      type: EntityType,
      kind: RowKind<T>,
      keyOf: EntitySource["keyOf"],
      render: (row: T) => readonly [entityKey: string, value: string],
    ): EntitySource => {
      const entityOf = ({ row, lastCommitSeq }: Kept<T>): StoredEntity => {
        const [entityKey, value] = render(row);
        return { type, entityKey, value, lastCommitSeq };
      };
      const readRows = readAfter(database, kind);
      const readRow = readOne(database, kind);
      return {
        type,
        keyOf,
        after: (key, limit) => readRows(key, limit).map(entityOf),
        one: (key) => {
          const kept = readRow(...key);
          return kept && entityOf(kept);
        },
      };
    };
    this.#sources = [
      source("position_changed", POSITIONS, accountAnd(2), (row) => [
        positionKey(row.accountId, row.symbol, row.side),
        renderPosition(row),
      ]),
      source("settings_changed", ACCOUNT_SETTINGS, accountAnd(0), (row) => [
        accountSettingsKey(row.accountId),
        renderAccountSettings(row),
      ]),
      source("settings_changed", SYMBOL_SETTINGS, accountAnd(1), (row) => [
        symbolSettingsKey(row.accountId, row.symbol),
        renderSymbolSettings(row),
      ]),
      source("trading_state_changed", TRADING_STATES, text, (row) => [
        scopeKey(row.scope),
        renderTradingState(row),
      ]),
      source("execution_quarantined", QUARANTINED, text, (row) => [row.entityKey, row.value]),
      source("account_changed", BANKS, accountAnd(1), ({ accountId, asset, bank }) => [
        purseKey(accountId, asset),
        renderAccount(accountId, asset, bank),
      ]),
      source("transfer_decided", TRANSFERS, accountAnd(2), ({ accountId, asset, transfer }) => [
        transferKey(accountId, asset, transfer.transferId),
        renderTransfer(accountId, asset, transfer),
      ]),
    ];
  }

  /** All of them, at most `limit` at a time. What changes meanwhile is given as it was or as it is. */
  *pages(limit: number): Generator<readonly StoredEntity[], void> {
    for (const { after, keyOf } of this.#sources) {
      for (let key: readonly KeyValue[] | null | undefined = null; key !== undefined; ) {
        const page = after(key, limit);
        if (page.length > 0) yield page;
        key = page.length < limit ? undefined : keyOf(page.at(-1)?.entityKey ?? "");
      }
    }
  }

  read(type: EntityType, entityKey: string): StoredEntity | undefined {
    for (const source of this.#sources) {
      const key = source.type === type ? source.keyOf(entityKey) : undefined;
      if (key !== undefined) return source.one(key);
    }
    return undefined;
  }
}
