/** Executions and mark prices that come by topic: taken once each, in order, whatever dies. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { Kafka, logLevel, type Producer } from "kafkajs";
import { type Client, clientOf } from "../support/client.ts";
import { endAll } from "../support/processes.ts";
import { type Replicated, startReplicated } from "../support/replicated.ts";
import { freshTopic, START_SERVICES_MS_MAX, servicesFromEnvironment } from "../support/services.ts";
import { until } from "../support/until.ts";

const TEST_MS_MAX = 120_000;
const WAIT_MS_MAX = 60_000;
const ACCOUNT = 77;
const ORDERS = 60;
const executionsTopic = `${freshTopic()}-executions`;
const markPricesTopic = `${freshTopic()}-marks`;

let system: Replicated;
let client: Client;
let producer: Producer;
let kafka: Kafka;

beforeAll(async () => {
  const services = servicesFromEnvironment();
  system = await startReplicated({
    services,
    settings: {
      RISK: "margin",
      VENUE: "external",
      MARGIN_MARK_AGE: "1h",
      KAFKA_EXECUTIONS_TOPIC: executionsTopic,
      KAFKA_MARK_PRICES_TOPIC: markPricesTopic,
      KAFKA_VENUE_GROUP_ID: executionsTopic,
    },
    flags: ["--no-match"],
  });
  client = await clientOf(system.url, ACCOUNT);
  kafka = new Kafka({ brokers: [...services.kafkaBrokers], logLevel: logLevel.NOTHING });
  producer = kafka.producer({ idempotent: true });
  await producer.connect();
}, START_SERVICES_MS_MAX);

afterAll(async () => {
  await endAll();
  await producer?.disconnect();
  const admin = kafka.admin();
  await admin.connect();
  await admin.deleteTopics({ topics: [executionsTopic, markPricesTopic] });
  await admin.disconnect();
  await system?.database.drop();
}, START_SERVICES_MS_MAX);

const send = (topic: string, messages: readonly object[]) =>
  producer.send({
    topic,
    acks: -1,
    messages: messages.map((one) => ({
      key: (one as { symbol?: string }).symbol ?? null,
      value: JSON.stringify(one),
    })),
  });

const deposit = async (): Promise<void> => {
  const path = `/admin/v1/accounts/${ACCOUNT}/transfers`;
  const body = { transferId: "t-1", asset: "USDT", amount: "100000" };
  await until("a deposit", WAIT_MS_MAX, async () => {
    const { status } = await client.send("POST", path, body);
    return status === 200;
  });
};

const walletOf = async (): Promise<string | undefined> => {
  const { body } = await client.send("GET", "/v1/account");
  const { balances } = JSON.parse(body) as { balances: { asset: string; wallet: string }[] };
  return balances.find(({ asset }) => asset === "USDT")?.wallet;
};

test(
  "a mark by topic lets market orders in; what cannot be read is passed over",
  async () => {
    await deposit();
    const market = { symbol: "BTCUSDT", side: "BUY", type: "MARKET", quantity: "0.010" };
    expect((await client.place({ ...market, clientOrderId: "early" })).status).toBe(422);
    const price = { symbol: "BTCUSDT", markPrice: "50000.00", at: Date.now() };
    await until("the topics are there", WAIT_MS_MAX, () =>
      send(markPricesTopic, [{ nonsense: true }, price]).then(
        () => true,
        () => false,
      ),
    );
    let tries = 0;
    await until("a market order is taken", WAIT_MS_MAX, async () => {
      const { status } = await client.place({ ...market, clientOrderId: `m-${tries++}` });
      return status === 201;
    });
  },
  TEST_MS_MAX,
);

test(
  "executions by topic, each sent twice, with shard and api killed between: each in effect once",
  async () => {
    const before = await walletOf();
    const ids: string[] = [];
    for (let n = 0; n < ORDERS; n++) {
      const order = { clientOrderId: `o-${n}`, side: n % 2 === 0 ? "BUY" : "SELL", type: "LIMIT" };
      const answer = await client.place({
        ...order,
        symbol: "BTCUSDT",
        price: "50000.00",
        quantity: "0.010",
      });
      expect(answer.status).toBe(201);
      ids.push((JSON.parse(answer.body) as { orderId: string }).orderId);
    }
    const fills = ids.flatMap((orderId, n) =>
      ["0.004", "0.006"].map((quantity, part) => ({
        executionId: `f-${n}-${part}`,
        orderId,
        symbol: "BTCUSDT",
        kind: "FILL",
        price: "50000.00",
        quantity,
        fee: "0.10",
        at: Date.now(),
      })),
    );
    await send(executionsTopic, fills.slice(0, ORDERS));
    const killed = [system.kill("shard1"), system.kill("api")];
    await send(executionsTopic, [{ unreadable: 1 }, ...fills]);
    await Promise.all(killed.map(({ recovered }) => recovered()));
    await until("every order is filled", WAIT_MS_MAX, async () => {
      const answers = await Promise.all(ids.map((orderId) => client.order(orderId)));
      return answers.every(({ body }) => body.includes('"status":"FILLED"'));
    });
    // 60 buys and sells at one price realise nothing; 120 fills cost 0.10 each.
    const fees = 12;
    await until("the bank has every fee", WAIT_MS_MAX, async () => {
      return Number(before) - Number(await walletOf()) === fees;
    });
    await system.settled();
    await system.expectVerified();
  },
  TEST_MS_MAX,
);
