/**
 * Compares what clients were told with what the system has: by repeats, by reads, in the central
 * store's history, and in the files once everything has ended.
 */
import { Database } from "bun:sqlite";
import { expect } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { OrderBody, RefusalBody } from "../../shards/domain/order-body.ts";
import { chainHash, RECORD_TYPES } from "../../shards/protocol/record.ts";
import type { CentralContents, CentralOrder } from "./central-contents.ts";
import { type Client, centralHasAll, clientOf } from "./client.ts";
import type { SentOrder } from "./load.ts";
import { SHARDS } from "./sluice.ts";
import { contentsOf } from "./stores.ts";
import { inLanes } from "./until.ts";

const LANES = 64;
/** Differences shown: the first ones tell what is wrong. */
const SHOWN_MAX = 5;

const isCertain = ({ status }: { readonly status: number }): boolean =>
  status === 200 || status === 201 || status === 422;

/** The body that the first certain answer had. */
export const bodyOf = ({ answers }: SentOrder): string => answers.find(isCertain)?.body ?? "";

const idOf = ({ request }: SentOrder): string => String(request.clientOrderId);

const expectNone = (differences: readonly string[]): void => {
  expect(differences.slice(0, SHOWN_MAX)).toEqual([]);
};

/**
 * All answers to one id are the same bytes, new at most once; and after nothing but 503, which says
 * that certainly nothing happened, the order is new.
 */
export const expectOneAnswerEach = (orders: readonly SentOrder[]): void => {
  expectNone(
    orders.flatMap((order) => {
      const certain = order.answers.filter(isCertain);
      const bodies = new Set(certain.map(({ body }) => body));
      const fresh = certain.filter(({ replayed }) => !replayed);
      if (bodies.size !== 1) return [`${idOf(order)}: ${bodies.size} bodies: ${[...bodies]}`];
      if (fresh.length > 1) return [`${idOf(order)}: ${fresh.length} answers say it is new`];
      if (wasTakenDespite503(order)) return [`${idOf(order)}: a 503 was no refusal`];
      return fieldsThatDiffer(order);
    }),
  );
};

const wasTakenDespite503 = ({ answers }: SentOrder): boolean => {
  const first = answers.findIndex(isCertain);
  const before = answers.slice(0, first);
  const isDefinite = before.length > 0 && before.every(({ status }) => status === 503);
  return isDefinite && answers[first]?.replayed === true;
};

/** The answer must be to what was sent. */
const fieldsThatDiffer = (order: SentOrder): string[] => {
  if (order.status !== 201) return [];
  const body = JSON.parse(bodyOf(order)) as Record<string, unknown>;
  return Object.entries({ ...order.request, accountId: String(order.account), status: "NEW" })
    .filter(([field, sent]) => body[field] !== sent)
    .map(([field, sent]) => `${idOf(order)}: ${field} is ${body[field]}, sent was ${sent}`);
};

/** A repeat gives the first answer's bytes. */
export const expectReplays = async (url: string, orders: readonly SentOrder[]): Promise<void> => {
  const clients = await clientsOf(url, orders);
  const differences = await inLanes(orders, LANES, async (order) => {
    const answer = await clientFor(clients, order).place(order.request);
    const status = order.status === 422 ? 422 : 200;
    const isSame = answer.status === status && answer.replayed && answer.body === bodyOf(order);
    if (isSame) return [];
    return [`${idOf(order)}: ${JSON.stringify(answer)}, first was ${bodyOf(order)}`];
  });
  expectNone(differences.flat());
};

/** A read by id gives the 201's bytes, unless the order was cancelled since. */
export const expectReads = async (url: string, orders: readonly SentOrder[]): Promise<void> => {
  const clients = await clientsOf(url, orders);
  const accepted = orders.filter(({ status }) => status === 201);
  const differences = await inLanes(accepted, LANES, async (order) => {
    const first = JSON.parse(bodyOf(order)) as OrderBody;
    const { status, body } = await clientFor(clients, order).order(first.orderId);
    const isSame = order.cancel === "done" ? isCancelled(body, first) : body === bodyOf(order);
    return status === 200 && isSame ? [] : [`${idOf(order)}: ${status} ${body}`];
  });
  expectNone(differences.flat());
};

const isCancelled = (body: string, first: OrderBody): boolean => {
  const now = JSON.parse(body) as OrderBody;
  return Bun.deepEquals(now, { ...first, status: "CANCELED", updatedAt: now.updatedAt });
};

/**
 * Once central has everything: its history has each of these orders once, field by field as the
 * shard gives it, and of these accounts nothing else.
 */
export const expectInCentral = async (url: string, orders: readonly SentOrder[]): Promise<void> => {
  const clients = await clientsOf(url, orders);
  await centralHasAll([...clients.values()][0] as Client);
  const histories = await inLanes([...clients.values()], 2, (client) => client.history());
  const items = histories.flat() as unknown as OrderBody[];
  const byId = new Map(items.map((item) => [item.orderId, item]));
  expect(byId.size).toBe(items.length);
  const accepted = orders.filter(({ status }) => status === 201);
  const differences = accepted.flatMap((order) => {
    const first = JSON.parse(bodyOf(order)) as OrderBody;
    const item = byId.get(first.orderId);
    if (item === undefined) return [`${idOf(order)} is not in central`];
    const isSame =
      order.cancel === "done"
        ? isCancelled(JSON.stringify(item), first)
        : Bun.deepEquals(item, first);
    return isSame ? [] : [`${idOf(order)}: ${JSON.stringify(item)}, was ${bodyOf(order)}`];
  });
  expectNone(differences);
  const known = new Set(accepted.map((order) => JSON.parse(bodyOf(order)).orderId as string));
  expectNone(items.filter(({ orderId }) => !known.has(orderId)).map((i) => JSON.stringify(i)));
};

/** Everything that the answers alone can tell, while the system runs. */
export const expectKept = async (url: string, orders: readonly SentOrder[]): Promise<void> => {
  expectOneAnswerEach(orders);
  await expectReplays(url, orders);
  await expectReads(url, orders);
};

const clientsOf = async (
  url: string,
  orders: readonly SentOrder[],
): Promise<ReadonlyMap<number, Client>> => {
  const accounts = [...new Set(orders.map(({ account }) => account))];
  const clients = accounts.map(async (account) => [account, await clientOf(url, account)] as const);
  return new Map(await Promise.all(clients));
};

const clientFor = (clients: ReadonlyMap<number, Client>, { account }: SentOrder): Client =>
  clients.get(account) as Client;

interface JournalRow {
  readonly commit_seq: number;
  readonly type: number;
  readonly partition: number;
  readonly seq: number;
  readonly value: string;
  readonly hash: string;
}

/** An outcome in a journal: the key that must be there once, and the bytes that were answered. */
interface Outcome {
  readonly key: string;
  readonly body: string;
  readonly orderId: string | null;
}

/**
 * The files of a system that has ended: every journal is contiguous and its hash chains hold, it
 * has each outcome that was answered once with its bytes and no other one, and central has the same.
 */
export const expectFiles = async (dataDir: string, orders: readonly SentOrder[]): Promise<void> => {
  const outcomes = await expectHandedOver(dataDir);
  const byKey = new Map(outcomes.map((outcome) => [outcome.key, outcome]));
  expectNone(
    orders
      .filter((order) => byKey.get(`${order.account} ${idOf(order)}`)?.body !== bodyOf(order))
      .map((order) => `${idOf(order)} is not in its journal as it was answered`),
  );
  expect(outcomes.length).toBe(orders.length);
};

/** After a drain central has exactly the outcomes that the shards' journals have, each once. */
export const expectHandedOver = async (dataDir: string): Promise<readonly Outcome[]> => {
  const central = await contentsOf(dataDir);
  const outcomes = SHARDS.flatMap((shard) => outcomesIn(join(dataDir, `${shard}.sqlite`)));
  expect(new Set(outcomes.map(({ key }) => key)).size).toBe(outcomes.length);
  const accepted = outcomes.flatMap(({ orderId }) => (orderId === null ? [] : [orderId]));
  expect(new Set(accepted).size).toBe(accepted.length);
  const refused = outcomes.flatMap(({ key, orderId }) => (orderId === null ? [key] : []));
  const orderIds = new Set(central.orders.map(({ orderId }) => orderId));
  const refusedThere = new Set(central.refusals.map(refusalKeyOf));
  expectNone(accepted.filter((orderId) => !orderIds.has(orderId)));
  expectNone(refused.filter((key) => !refusedThere.has(key)));
  expect(orderIds.size + refusedThere.size).toBe(outcomes.length);
  return outcomes;
};

const outcomesIn = (file: string): Outcome[] => {
  if (!existsSync(file)) return [];
  const database = new Database(file, { readonly: true });
  try {
    const rows = database.query<JournalRow, []>("SELECT * FROM journal ORDER BY commit_seq").all();
    expectUnbroken(rows);
    return rows.flatMap(outcomeOf);
  } finally {
    database.close();
  }
};

/** From the first record that retention has left. */
const expectUnbroken = (rows: readonly JournalRow[]): void => {
  const ends = new Map<number, JournalRow>();
  for (const [i, row] of rows.entries()) {
    const end = ends.get(row.partition);
    const commitSeq = (rows[0]?.commit_seq ?? 0) + i;
    const seq = end === undefined ? row.seq : end.seq + 1;
    const hash = end === undefined ? row.hash : chainHash(end.hash, row.value);
    if (row.commit_seq !== commitSeq || row.seq !== seq || row.hash !== hash) {
      throw new Error(`the journal is broken at ${JSON.stringify(row)}`);
    }
    ends.set(row.partition, row);
  }
};

const outcomeOf = ({ type, value }: JournalRow): Outcome[] => {
  const kind = RECORD_TYPES[type];
  if (kind === "order_accepted") {
    const { accountId, clientOrderId, orderId } = JSON.parse(value) as OrderBody;
    return [{ key: `${accountId} ${clientOrderId}`, body: value, orderId }];
  }
  if (kind !== "order_refused") return [];
  const { accountId, request, answer } = JSON.parse(value) as RefusalBody;
  return [{ key: `${accountId} ${request.clientOrderId}`, body: answer, orderId: null }];
};

const refusalKeyOf = (value: string): string => {
  const { accountId, request } = JSON.parse(value) as RefusalBody;
  return `${accountId} ${request.clientOrderId}`;
};

/**
 * Once central has everything: each accepted order is in it once, as it was accepted byte for byte
 * and as it stands now; each stored refusal too; and nothing else.
 */
export const expectInContents = (
  { orders: rows, refusals }: CentralContents,
  orders: readonly SentOrder[],
): void => {
  const rowOf = new Map(rows.map((row) => [row.orderId, row]));
  expect(rowOf.size).toBe(rows.length);
  const answerOf = new Map(refusals.map((text) => [refusalKeyOf(text), answerIn(text)]));
  expect(answerOf.size).toBe(refusals.length);
  const accepted = orders.filter(({ status }) => status === 201);
  expectNone(accepted.flatMap((order) => acceptedDifference(order, rowOf)));
  const refused = orders.filter(({ status }) => status === 422);
  expectNone(
    refused
      .filter((order) => answerOf.get(`${order.account} ${idOf(order)}`) !== bodyOf(order))
      .map((order) => `the refusal of ${idOf(order)} is not in central as it was answered`),
  );
  expect(new Set(orders.map((order) => `${order.account} ${idOf(order)}`)).size).toBe(
    orders.length,
  );
  expect({ orders: rows.length, refusals: refusals.length }).toEqual({
    orders: accepted.length,
    refusals: refused.length,
  });
};

const answerIn = (value: string): string => (JSON.parse(value) as RefusalBody).answer;

const acceptedDifference = (
  order: SentOrder,
  rowOf: ReadonlyMap<string, CentralOrder>,
): readonly string[] => {
  const body = bodyOf(order);
  const first = JSON.parse(body) as OrderBody;
  const row = rowOf.get(first.orderId);
  if (row === undefined) return [`${idOf(order)} is not in central: ${body}`];
  if (row.accepted !== body) return [`${idOf(order)} was accepted as ${body}, not ${row.accepted}`];
  const isSame = order.cancel === "done" ? isCancelled(row.now, first) : row.now === body;
  return isSame ? [] : [`${idOf(order)}, cancel ${order.cancel}, is now ${row.now}`];
};
