/**
 * The tables of purses: what the shard may use (`allot…`) and what the bank of the account's home
 * knows (`bank_…`). A batch writes what has changed of a purse, and nothing else of it.
 */
import type { Database } from "bun:sqlite";
import type {
  Allotment,
  AllotmentEvent,
  Bank,
  BankShard,
  PurseKey,
  Transfer,
} from "../../domain/escrow/types.ts";
import type { PurseWrite } from "../../writer/store-port.ts";
import { storable } from "./money.ts";
import { readOne, TRANSFERS } from "./row-kinds.ts";

export class PurseRows {
  readonly #allot;
  readonly #pending;
  readonly #noPending;
  readonly #event;
  readonly #noEvents;
  readonly #term;
  readonly #account;
  readonly #shard;
  readonly #transfer;
  readonly #findTransfer;

  constructor(database: Database) {
    this.#allot = database.prepare("REPLACE INTO allot VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
    this.#pending = database.prepare("REPLACE INTO allot_pending VALUES (?, ?, ?, ?, ?)");
    this.#noPending = database.prepare(
      "DELETE FROM allot_pending WHERE account_id = ? AND asset = ?",
    );
    this.#event = database.prepare("INSERT INTO allot_outbox VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
    this.#noEvents = database.prepare(
      "DELETE FROM allot_outbox WHERE account_id = ? AND asset = ? AND evt_seq < ?",
    );
    this.#term = database.prepare("UPDATE bank_self SET term = ?");
    this.#account = database.prepare("REPLACE INTO bank_account VALUES (?, ?, ?, ?, ?, ?)");
    this.#shard = database.prepare(
      "REPLACE INTO bank_shard VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    );
    this.#transfer = database.prepare("INSERT INTO bank_transfer VALUES (?, ?, ?, ?, ?, ?, ?)");
    this.#findTransfer = readOne(database, TRANSFERS);
  }

  write(purses: readonly PurseWrite[], commitSeq: number): void {
    for (const { key, before, after } of purses) {
      this.#writeAllotment(key, before?.allotment, after.allotment);
      if (after.bank !== null) this.#writeBank(key, before?.bank, after.bank, commitSeq);
    }
  }

  #writeAllotment(
    { accountId, asset }: PurseKey,
    before: Allotment | undefined,
    after: Allotment,
  ): void {
    if (before === after) return;
    this.#allot.run(
      accountId,
      asset,
      after.epoch,
      after.state,
      storable(after.rightsMinor),
      after.reqSeq,
      after.evtSeq,
      storable(after.pnlTotalMinor),
      storable(after.unsecuredTotalMinor),
    );
    const { pending } = after;
    if (pending === null) {
      if (before !== undefined && before.pending !== null) this.#noPending.run(accountId, asset);
    } else if (pending !== before?.pending) {
      const need = storable(pending.needMinor);
      this.#pending.run(accountId, asset, pending.reqSeq, need, pending.afterEvt);
    }
    this.#writeOutbox({ accountId, asset }, before?.outbox ?? [], after.outbox);
  }

  /** An event never changes: it is added at the end, and goes from the beginning. */
  #writeOutbox(
    { accountId, asset }: PurseKey,
    before: readonly AllotmentEvent[],
    after: readonly AllotmentEvent[],
  ): void {
    const written = before.at(-1)?.evtSeq ?? 0;
    const kept = after[0]?.evtSeq ?? written + 1;
    if ((before[0]?.evtSeq ?? kept) < kept) this.#noEvents.run(accountId, asset, kept);
    for (const event of after.slice(after.findLastIndex(({ evtSeq }) => evtSeq <= written) + 1)) {
      this.#event.run(
        accountId,
        asset,
        event.evtSeq,
        event.kind,
        storable(event.unitsMinor),
        storable(event.deltaMinor),
        event.orderId,
        event.executionId,
        event.afterCommitSeq,
      );
    }
  }

  #writeBank(
    { accountId, asset }: PurseKey,
    before: Bank | null | undefined,
    after: Bank,
    commitSeq: number,
  ): void {
    if (before === after) return;
    if (before?.term !== after.term) this.#term.run(after.term);
    this.#account.run(
      accountId,
      asset,
      storable(after.depositedMinor),
      storable(after.withdrawnMinor),
      after.version,
      commitSeq,
    );
    const known = new Set(before?.shards);
    for (const shard of after.shards) {
      if (!known.has(shard)) this.#shard.run(accountId, asset, ...valuesOf(shard));
    }
  }

  writeTransfers(transfers: readonly (PurseKey & Transfer)[], commitSeq: number): void {
    for (const { accountId, asset, transferId, amountMinor, outcome, at } of transfers) {
      const amount = storable(amountMinor);
      this.#transfer.run(accountId, asset, transferId, amount, outcome, at, commitSeq);
    }
  }

  findTransfer({ accountId, asset }: PurseKey, transferId: string): Transfer | undefined {
    return this.#findTransfer(accountId, asset, transferId)?.row.transfer;
  }
}

const valuesOf = (shard: BankShard): (string | number | bigint)[] => [
  shard.shardIndex,
  shard.epoch,
  storable(shard.grantedMinor),
  shard.lastReq,
  shard.replyCode,
  storable(shard.replyGrantedMinor),
  shard.lastEvt,
  storable(shard.pnlTotalMinor),
  storable(shard.unsecuredTotalMinor),
  shard.reportedTerm,
  Number(shard.claim),
];
