/**
 * The rebuilt predecessor's api: each order asks Redis and MySQL what it has to know, is inserted,
 * and is sent to the topic before its answer. Serves `POST /v1/orders`, and for
 * the benchmark `GET /profile` and `POST /fill-caches`.
 */
import { Redis } from "ioredis";
import { Kafka, logLevel, type Producer } from "kafkajs";
import { Database } from "./database.ts";
import { OrderRefused, parseOrder } from "./order-request.ts";
import { insertOrder } from "./order-store.ts";
import { Profiler, Stopwatch } from "./profiler.ts";
import { Reference } from "./reference.ts";
import { type ApiProfile, readSettings, type SavedOrder } from "./settings.ts";
import { Tokens } from "./tokens.ts";
import { checkHoldings, checkRules, readHoldings, readMarginMode } from "./validate-order.ts";

/** More than the two cores can keep busy. */
const POOL_CONNECTIONS = 20;
const ACKS_ALL = -1;

const settings = readSettings();
const { lookups, topic } = settings;
const database = new Database(settings.mysqlUrl, POOL_CONNECTIONS);
const redis = new Redis(settings.redisUrl, { enableAutoPipelining: true });
const reference = new Reference(database, redis, settings.redisPrefix);
const tokens = new Tokens(settings.jwtSecret);
const profiler = new Profiler();
let orders = 0;
let underWay = 0;

const connectProducer = async (): Promise<Producer> => {
  const kafka = new Kafka({
    brokers: [...settings.kafkaBrokers],
    clientId: "predecessor-api",
    logLevel: logLevel.ERROR,
  });
  const producer = kafka.producer({ allowAutoTopicCreation: false });
  await producer.connect();
  return producer;
};
const producer = await connectProducer();

const referenceOf = async (accountId: number, symbol: string) => {
  if (lookups === "parallel") {
    return Promise.all([reference.account(accountId), reference.instrument(symbol)]);
  }
  return [await reference.account(accountId), await reference.instrument(symbol)] as const;
};

const place = async (request: Request): Promise<Response> => {
  const watch = new Stopwatch(profiler);
  const accountId = await tokens.accountOf(request.headers.get("authorization"));
  if (accountId === null) return Response.json({ code: "unauthenticated" }, { status: 401 });
  const order = parseOrder(await request.json());
  watch.lap("auth");
  const [account, found] = await referenceOf(accountId, order.symbol);
  const instrument = checkRules(order, account, found);
  watch.lap("account and instrument");
  const mode = await readMarginMode(database, accountId, order.symbol);
  watch.lap("margin mode");
  const holdings = await readHoldings(database, lookups, accountId, instrument);
  const margin = checkHoldings(order, mode, instrument, holdings);
  watch.lap("validation");
  const { margin_asset: asset } = instrument;
  const at = Date.now();
  const orderIds = await insertOrder(
    database,
    { accountId, request: order, asset, margin, at },
    watch,
  );
  const saved: SavedOrder = { orderIds, accountId, asset, margin };
  const value = JSON.stringify({ ...order, ...saved });
  await producer.send({ topic, acks: ACKS_ALL, messages: [{ key: order.symbol, value }] });
  watch.lap("kafka");
  watch.end();
  orders++;
  const answer = { orderId: String(orderIds[0]), ...order, status: "NEW", createdAt: at };
  return Response.json(answer, { status: 201 });
};

const answerTo = async (request: Request): Promise<Response> => {
  underWay++;
  try {
    return await place(request);
  } catch (error) {
    if (error instanceof OrderRefused) {
      return Response.json({ code: error.message }, { status: 422 });
    }
    console.error(error);
    return Response.json({ code: "internal_error" }, { status: 500 });
  } finally {
    underWay--;
  }
};

const profile = (url: string): Response => {
  const stages = profiler.summary();
  const found: ApiProfile = { orders, underWay, statements: database.counts, stages };
  if (url.endsWith("?reset")) profiler.reset();
  return Response.json(found);
};

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  routes: {
    "/v1/orders": { POST: answerTo },
    "/fill-caches": {
      POST: async () => {
        await reference.fill();
        return new Response();
      },
    },
    "/profile": { GET: (request) => profile(request.url) },
  },
});
process.send?.({ type: "ready", port: server.port });
