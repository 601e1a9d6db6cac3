/** A shard's file that is damaged, lost, old or in use is refused with the way out, not served. */
import { Database } from "bun:sqlite";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import {
  appendFileSync,
  closeSync,
  copyFileSync,
  cpSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { pickPorts } from "../../app/supervisor/ports.ts";
import { type Client, centralHasAll, clientOf, type HttpAnswer } from "../support/client.ts";
import { endAll, makeFolder, type Started } from "../support/processes.ts";
import {
  launchApplier,
  launchShard,
  startApi,
  startApplier,
  startShard,
} from "../support/sluice.ts";

const TEST_MS_MAX = 120_000;
const PAGE_BYTES = 4096;
const BATCH = 100;
const WAY_OUT = "sluice restore";

/** A data folder as its processes left it; each test damages a copy. */
interface Image {
  readonly folder: string;
  /** By client order id, what was acknowledged. */
  readonly acked: ReadonlyMap<string, string>;
}

/** Applier, shard and api on a folder. */
class Deployment {
  private constructor(
    readonly folder: string,
    readonly processes: readonly Started[],
    readonly client: Client,
  ) {}

  static async start(folder: string, flags: readonly string[] = []): Promise<Deployment> {
    const applier = await startApplier(folder);
    const shard = await startShard(folder, applier.port, flags);
    const api = await startApi(folder, shard.port);
    const client = await clientOf(api.url, 7);
    return new Deployment(folder, [api.process, shard.process, applier.process], client);
  }

  async place(ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const acked = new Map<string, string>();
    for (let i = 0; i < ids.length; i += BATCH) {
      const orders = ids.slice(i, i + BATCH).map(orderOf);
      const { body } = await this.client.send("POST", "/v1/orders/batch", { orders });
      const { results } = JSON.parse(body) as { results: { status: number; body: object }[] };
      for (const [n, result] of results.entries()) {
        expect(result.status).toBe(201);
        acked.set(ids[i + n] as string, JSON.stringify(result.body));
      }
    }
    await centralHasAll(this.client);
    return acked;
  }

  async end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    for (const one of this.processes) {
      one.kill(signal);
      await one.ended();
    }
  }
}

const idsOf = (from: number, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `order-${from + i}`);

const orderOf = (clientOrderId: string) => ({
  clientOrderId,
  symbol: "BTCUSDT",
  side: "BUY",
  type: "LIMIT",
  price: "50000.10",
  quantity: "0.010",
});

/** Every page is in the file, and there is no log. */
let drained: Image;
/** The file as it was then, and the newest records in the log only. */
let killed: Image;
let images: string;

const makeImages = async (): Promise<void> => {
  const live = makeFolder();
  images = makeFolder();
  const first = await Deployment.start(live);
  const acked = await first.place(idsOf(0, 300));
  await first.end("SIGTERM");
  emptyLog(join(live, "shard1.sqlite"));
  cpSync(live, join(images, "drained"), { recursive: true });
  drained = { folder: join(images, "drained"), acked };
  const second = await Deployment.start(live);
  const more = await second.place(idsOf(300, 100));
  await second.end("SIGKILL");
  cpSync(live, join(images, "killed"), { recursive: true });
  killed = { folder: join(images, "killed"), acked: new Map([...acked, ...more]) };
};

const emptyLog = (file: string): void => {
  const database = new Database(file);
  database.run("PRAGMA wal_checkpoint(TRUNCATE)");
  database.close();
};

const copyOf = (image: Image): { readonly folder: string; readonly file: string } => {
  const folder = makeFolder();
  cpSync(image.folder, folder, { recursive: true });
  return { folder, file: join(folder, "shard1.sqlite") };
};

/** Images live as long as the file's tests, what a test starts does not. */
beforeAll(makeImages, TEST_MS_MAX);
afterEach(() => endAll({ keep: [images] }), TEST_MS_MAX);
afterAll(() => endAll(), TEST_MS_MAX);

/** It must end with exit code 2 and one sentence that has all of these words. */
const expectRefused = async (shard: Started, ...words: readonly string[]): Promise<void> => {
  expect(await shard.ended()).toBe(2);
  for (const word of words) expect(shard.stderr()).toContain(word);
  expect(shard.stdout()).toBe("");
};

const expectStartRefused = async (folder: string, ...words: readonly string[]): Promise<void> => {
  const applier = await startApplier(folder);
  await expectRefused(launchShard(folder, applier.port), ...words);
};

const overwrite = (file: string, at: number, bytes: number): void => {
  const descriptor = openSync(file, "r+");
  writeSync(descriptor, new Uint8Array(bytes).fill(0xa5), 0, bytes, at);
  closeSync(descriptor);
};

const pagesOf = (file: string): number => statSync(file).size / PAGE_BYTES;

/** Everything that was acknowledged is answered again with its first bytes. */
const expectServed = async (folder: string, { acked }: Image): Promise<void> => {
  const { client } = await Deployment.start(folder);
  for (const [id, body] of acked) {
    const answer = await client.place(orderOf(id));
    expect({ id, ...answer }).toEqual({ id, status: 200, replayed: true, body });
  }
};

describe("a file that was cut", () => {
  const cuts = [
    { to: "nothing", bytesOf: () => 0 },
    { to: "half of its header", bytesOf: () => 50 },
    { to: "half", bytesOf: (pages: number) => Math.floor(pages / 2) * PAGE_BYTES },
    { to: "one page less", bytesOf: (pages: number) => (pages - 1) * PAGE_BYTES },
  ];
  test.each(cuts)(
    "to $to is refused",
    async ({ bytesOf }) => {
      const { folder, file } = copyOf(drained);
      truncateSync(file, bytesOf(pagesOf(file)));
      await expectStartRefused(folder, file, WAY_OUT);
    },
    TEST_MS_MAX,
  );

  test.each(cuts.slice(0, 3))(
    "to $to is refused when its log is there, and the log is left as it is",
    async ({ bytesOf }) => {
      const { folder, file } = copyOf(killed);
      const log = readFileSync(`${file}-wal`);
      truncateSync(file, bytesOf(pagesOf(file)));
      await expectStartRefused(folder, file, "damaged", WAY_OUT);
      expect(readFileSync(`${file}-wal`).equals(log)).toBe(true);
    },
    TEST_MS_MAX,
  );
});

describe("a file that was overwritten", () => {
  test.each([{ image: "drained" }, { image: "killed" }])(
    "at its header is refused ($image)",
    async ({ image }) => {
      const { folder, file } = copyOf(image === "killed" ? killed : drained);
      overwrite(file, 0, 100);
      await expectStartRefused(folder, file, "damaged", WAY_OUT);
    },
    TEST_MS_MAX,
  );

  test(
    "at a page that a start reads is refused",
    async () => {
      const { folder, file } = copyOf(drained);
      const database = new Database(file, { readonly: true });
      const query = "SELECT rootpage FROM sqlite_master WHERE name = 'cluster'";
      const { rootpage } = database.query(query).get() as { rootpage: number };
      database.close();
      overwrite(file, (rootpage - 1) * PAGE_BYTES, PAGE_BYTES);
      await expectStartRefused(folder, file, "damaged", WAY_OUT);
    },
    TEST_MS_MAX,
  );

  test(
    "at a page that nobody reads at the start is found while it serves, and the process ends",
    async () => {
      const { folder, file } = copyOf(drained);
      const at = readFileSync(file).indexOf('"clientOrderId":"order-150"');
      overwrite(file, at - (at % PAGE_BYTES), PAGE_BYTES);
      const applier = await startApplier(folder);
      const shard = await startShard(folder, applier.port);
      expect(await shard.process.ended()).toBe(2);
      expect(shard.process.stderr()).toContain(`${file} is damaged`);
    },
    TEST_MS_MAX,
  );
});

describe("the end of the log", () => {
  test(
    "torn by garbage is dropped, and everything acknowledged is there",
    async () => {
      const { folder, file } = copyOf(killed);
      appendFileSync(`${file}-wal`, new Uint8Array(10_000).fill(0x5a));
      await expectServed(folder, killed);
    },
    TEST_MS_MAX,
  );

  test(
    "with a transaction that was not finished is dropped, and everything acknowledged is there",
    async () => {
      const { folder, file } = copyOf(killed);
      const log = readFileSync(`${file}-wal`);
      const frameBytes = 24 + PAGE_BYTES;
      // Valid salts, a page number, no commit; then half a frame.
      const frame = Buffer.from(log.subarray(32, 32 + frameBytes));
      frame.writeUInt32BE(0, 4);
      appendFileSync(`${file}-wal`, Buffer.concat([frame, frame.subarray(0, frameBytes / 2)]));
      await expectServed(folder, killed);
    },
    TEST_MS_MAX,
  );

  test(
    "cut off with records that central has makes the file an old one, which is refused",
    async () => {
      const { folder, file } = copyOf(killed);
      truncateSync(`${file}-wal`, statSync(`${file}-wal`).size - 10);
      await expectStartRefused(folder, "older than what central has", WAY_OUT);
    },
    TEST_MS_MAX,
  );
});

const orderIdIn = ({ body }: HttpAnswer | { readonly body: string }): number =>
  Number((JSON.parse(body) as { orderId: string }).orderId);

describe("a file that is lost", () => {
  test(
    "is served again with everything when it is put back after a refused start",
    async () => {
      const { folder, file } = copyOf(drained);
      rmSync(file);
      await expectStartRefused(folder, `${file} is missing`);
      await endAll({ keep: [images, folder] });
      // The refused start has made one.
      await expectStartRefused(folder, `${file} has no state of a shard`, "-wal", WAY_OUT);
      await endAll({ keep: [images, folder] });
      copyFileSync(join(drained.folder, "shard1.sqlite"), file);
      await expectServed(folder, drained);
    },
    TEST_MS_MAX,
  );

  test(
    "is refused, and a new epoch is taken only when asked for: its ids are above all earlier ones",
    async () => {
      const { folder, file } = copyOf(drained);
      rmSync(file);
      await expectStartRefused(folder, `${file} is missing`, "300 orders", WAY_OUT);
      await endAll({ keep: [images, folder] });
      const { client, end, processes } = await Deployment.start(folder, ["--new-epoch"]);
      const answer = await client.place(orderOf("order-new"));
      expect(answer.status).toBe(201);
      expect(JSON.parse(answer.body).receipt.epoch).toBe(2);
      const highest = Math.max(...[...drained.acked.values()].map((body) => orderIdIn({ body })));
      expect(orderIdIn(answer)).toBeGreaterThan(highest);
      await centralHasAll(client);
      const history = await client.history();
      expect(history.length).toBe(301);
      expect(JSON.stringify(history[0])).toBe(answer.body);
      await end.call({ processes }, "SIGTERM");

      const again = await Deployment.start(folder);
      expect((await again.client.place(orderOf("order-new"))).body).toBe(answer.body);
    },
    TEST_MS_MAX,
  );
});

describe("an older copy of the file", () => {
  /** The files of `killed`, with the shard's one of `drained`. */
  const withOldFile = (): { readonly folder: string; readonly file: string } => {
    const copy = copyOf(killed);
    rmSync(`${copy.file}-wal`);
    rmSync(`${copy.file}-shm`, { force: true });
    copyFileSync(join(drained.folder, "shard1.sqlite"), copy.file);
    return copy;
  };

  test(
    "is refused when central is there to tell",
    async () => {
      const { folder, file } = withOldFile();
      await expectStartRefused(folder, `${file} is not the newest file`, "older than", WAY_OUT);
    },
    TEST_MS_MAX,
  );

  test(
    "ends its shard as soon as central comes and tells",
    async () => {
      const { folder } = withOldFile();
      const [port = 0] = pickPorts(1);
      const shard = await startShard(folder, port);
      await startApplier(folder, port);
      expect(await shard.process.ended()).toBe(2);
      expect(shard.process.stderr()).toContain("not the newest");
    },
    TEST_MS_MAX,
  );
});

describe("a file that is in use", () => {
  test(
    "refuses a second writer and names the first one's pid, which goes on",
    async () => {
      const { folder } = copyOf(drained);
      const { client, processes } = await Deployment.start(folder);
      const second = launchShard(folder, 1);
      await expectRefused(second, "shard1.lock", `process ${processes[1]?.pid}`);
      expect((await client.place(orderOf("order-x"))).status).toBe(201);
    },
    TEST_MS_MAX,
  );

  test(
    "refuses a second applier and names the first one's pid, which goes on",
    async () => {
      const { folder } = copyOf(drained);
      const { client, processes } = await Deployment.start(folder);
      const second = launchApplier(folder);
      await expectRefused(second, "central.lock", `process ${processes[2]?.pid}`);
      expect((await client.place(orderOf("order-x"))).status).toBe(201);
      await centralHasAll(client);
    },
    TEST_MS_MAX,
  );
});
