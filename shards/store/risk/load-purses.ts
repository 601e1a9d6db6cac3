import type { Database } from "bun:sqlite";
import type { AccountId } from "../../domain/brands.ts";
import { purseKey } from "../../domain/entities.ts";
import type { Allotment, AllotmentEvent, PurseKey } from "../../domain/escrow/types.ts";
import type { DurablePurse } from "../../writer/store-port.ts";
import { exact } from "./money.ts";
import { BANKS, readAll } from "./row-kinds.ts";

/** Every purse that this shard has ever had, with its bank where this is its home. */
export const loadPurses = (database: Database): readonly (PurseKey & DurablePurse)[] => {
  const pendings = loadPendings(database);
  const outboxes = loadOutboxes(database);
  const banks = new Map(
    readAll(database, BANKS).map(({ accountId, asset, bank }) => [
      purseKey(accountId, asset),
      bank,
    ]),
  );
  const rows = database
    .query(
      `SELECT account_id, asset, epoch, state, ${exact("rights_minor")}, req_seq, evt_seq, ` +
        `${exact("pnl_total_minor")}, ${exact("unsecured_total_minor")} FROM allot`,
    )
    .values() as AllotmentTuple[];
  return rows.map(([accountId, asset, epoch, state, rights, reqSeq, evtSeq, pnl, unsecured]) => {
    const key = purseKey(accountId, asset);
    const allotment = {
      epoch,
      state,
      rightsMinor: BigInt(rights),
      reqSeq,
      evtSeq,
      pnlTotalMinor: BigInt(pnl),
      unsecuredTotalMinor: BigInt(unsecured),
      pending: pendings.get(key) ?? null,
      outbox: outboxes.get(key) ?? [],
    };
    return { accountId, asset, allotment, bank: banks.get(key) ?? null };
  });
};

type AllotmentTuple = [
  AccountId,
  string,
  number,
  Allotment["state"],
  string,
  number,
  number,
  string,
  string,
];

const loadPendings = (database: Database): ReadonlyMap<string, Allotment["pending"]> => {
  const rows = database
    .query(
      `SELECT account_id, asset, req_seq, ${exact("need_minor")}, after_evt FROM allot_pending`,
    )
    .values() as [AccountId, string, number, string, number][];
  return new Map(
    rows.map(([accountId, asset, reqSeq, need, afterEvt]) => [
      purseKey(accountId, asset),
      { reqSeq, needMinor: BigInt(need), afterEvt },
    ]),
  );
};

const loadOutboxes = (database: Database): ReadonlyMap<string, readonly AllotmentEvent[]> => {
  const rows = database
    .query(
      `SELECT account_id, asset, evt_seq, kind, ${exact("units_minor")}, ${exact("delta_minor")}, ` +
        "order_id, execution_id, after_commit_seq FROM allot_outbox " +
        "ORDER BY account_id, asset, evt_seq",
    )
    .values() as EventTuple[];
  const outboxes = new Map<string, AllotmentEvent[]>();
  for (const [accountId, asset, evtSeq, kind, units, delta, ...rest] of rows) {
    const [orderId, executionId, afterCommitSeq] = rest;
    const key = purseKey(accountId, asset);
    const outbox = outboxes.get(key) ?? [];
    outbox.push({
      evtSeq,
      kind,
      unitsMinor: BigInt(units),
      deltaMinor: BigInt(delta),
      orderId,
      executionId,
      afterCommitSeq,
    });
    outboxes.set(key, outbox);
  }
  return outboxes;
};

type EventTuple = [
  AccountId,
  string,
  number,
  AllotmentEvent["kind"],
  string,
  string,
  AllotmentEvent["orderId"],
  string,
  number,
];
