/**
 * The rebuilt predecessor's consumers, all in one process as in one of its pods: members of one
 * group on one topic, so that those beyond its partitions have nothing to do. For each record they
 * take the order and its children from PENDING to NEW and bring the account's summary up to date.
 */
import { type Consumer, Kafka, logLevel } from "kafkajs";
import { Database } from "./database.ts";
import { type ConsumerProfile, readSettings, type SavedOrder } from "./settings.ts";

const settings = readSettings();
const database = new Database(settings.mysqlUrl, settings.consumers);
const kafka = new Kafka({
  brokers: [...settings.kafkaBrokers],
  clientId: "predecessor-consumers",
  logLevel: logLevel.ERROR,
});
let records = 0;

/** A record that comes twice finds nothing PENDING the second time. */
const takeOrders = (count: number): string =>
  "UPDATE orders SET status = 'NEW', updated_at = ? " +
  `WHERE order_id IN (${Array.from({ length: count }, () => "?").join(", ")}) AND status = 'PENDING'`;
const ADD_TO_SUMMARY =
  "UPDATE account_summaries SET open_orders = open_orders + ?, order_margin = order_margin + ?, " +
  "updated_at = ? WHERE account_id = ? AND asset = ?";

const save = async ({ orderIds, accountId, asset, margin }: SavedOrder): Promise<void> => {
  const now = Date.now();
  const { affectedRows } = await database.update(takeOrders(orderIds.length), [now, ...orderIds]);
  if (affectedRows === 0) return;
  await database.update(ADD_TO_SUMMARY, [affectedRows, margin, now, accountId, asset]);
  records++;
};

const startConsumer = async (): Promise<Consumer> => {
  const consumer = kafka.consumer({ groupId: settings.topic });
  const joined = Promise.withResolvers<void>();
  consumer.on(consumer.events.GROUP_JOIN, () => joined.resolve());
  await consumer.connect();
  await consumer.subscribe({ topic: settings.topic, fromBeginning: true });
  await consumer.run({
    eachMessage: ({ message }) => save(JSON.parse(String(message.value)) as SavedOrder),
  });
  await joined.promise;
  return consumer;
};

await Promise.all(Array.from({ length: settings.consumers }, startConsumer));
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  routes: {
    "/profile": () => {
      const found: ConsumerProfile = { records, statements: database.counts };
      return Response.json(found);
    },
  },
});
process.send?.({ type: "ready", port: server.port });
