import { afterEach, describe, expect, test } from "bun:test";
import type { Server } from "bun";
import { systemClock } from "../../../shards/process/clock.ts";
import { UsageError } from "../../../shards/process/failure.ts";
import { gatherApi } from "./gather-api.ts";
import { within } from "./within.ts";

let server: Server<unknown> | undefined;
afterEach(async () => {
  await server?.stop(true);
  server = undefined;
});

type Answers = Readonly<Record<string, () => Response | Promise<Response>>>;

const READY: Answers = {
  "/v1/time": () => Response.json({ time: systemClock.now() + 5000 }),
  "/readyz": () =>
    Response.json(
      { ready: false, shards: [{ shard: "shard1", state: "unreachable", detail: "it hangs" }] },
      { status: 503 },
    ),
};

/** An api of these answers; it remembers the token that it was shown last. */
const serve = (answers: Answers) => {
  let shown: string | null = null;
  server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request) => {
      shown = request.headers.get("authorization") ?? shown;
      return answers[new URL(request.url).pathname]?.() ?? new Response("", { status: 404 });
    },
  });
  const apiUrl = `http://127.0.0.1:${server.port}`;
  return { apiUrl, shown: () => shown };
};

const MS_MAX = 10_000;
const token = async (): Promise<string> => "t0ken";
const shardsAnswer = (answer: () => Response | Promise<Response>): Answers => ({
  ...READY,
  "/admin/v1/shards": answer,
});

describe("what an api says", () => {
  test("is its time, that it takes the token, and its shards", async () => {
    const item = {
      shard: "shard1",
      state: "filling",
      reason: null,
      epoch: 3,
      partitionCount: 10,
      freeBytes: 99,
      sqliteVersion: "3.53.4",
      relay: { state: "running", reason: null, backlogRecords: 2, lagMs: 1 },
      central: { lagRecords: 2, lagMs: 1, stoppedPartitions: [] },
      somethingNew: true,
    };
    const { apiUrl, shown } = serve(shardsAnswer(() => Response.json({ items: [item] })));
    const facts = await gatherApi({ apiUrl, token, msMax: MS_MAX });
    expect(shown()).toBe("Bearer t0ken");
    expect(facts.token).toEqual({ kind: "accepted" });
    expect(facts.shards).toMatchObject([item]);
    const { offsetMs, uncertaintyMs } = facts.clock;
    expect(Math.abs(offsetMs - 5000)).toBeLessThanOrEqual(uncertaintyMs + 1);
  });

  test("of an older version has nulls for what it does not say", async () => {
    const items = [{ shard: "shard1", state: "unreachable", reason: "gone", epoch: null }];
    const { apiUrl } = serve(shardsAnswer(() => Response.json({ items })));
    const { shards } = await gatherApi({ apiUrl, token, msMax: MS_MAX });
    const unsaid = { freeBytes: null, sqliteVersion: null, relay: null, central: null };
    expect(shards).toMatchObject([
      { reason: "gone", epoch: null, partitionCount: null, ...unsaid },
    ]);
  });

  test.each([
    [401, "refused"],
    [403, "missing"],
  ] as const)("with %d to the token is %s, and the shards are those of /readyz", async (...row) => {
    const [status, kind] = row;
    const { apiUrl } = serve(
      shardsAnswer(() => Response.json({ detail: "A sentence." }, { status })),
    );
    const facts = await gatherApi({ apiUrl, token, msMax: MS_MAX });
    expect(facts.token).toEqual({ kind, detail: "A sentence." });
    expect(facts.shards).toMatchObject([{ shard: "shard1", state: "unreachable" }]);
  });

  test("without a token is asked all the same", async () => {
    const { apiUrl } = serve(READY);
    const none = () => Promise.reject(new UsageError("No secret."));
    const facts = await gatherApi({ apiUrl, token: none, msMax: MS_MAX });
    expect(facts.token).toEqual({ kind: "missing", detail: "No secret." });
    expect(facts.shards).toMatchObject([{ reason: "it hangs" }]);
  });

  test("while its shards' states hang is what /readyz says", async () => {
    const { apiUrl } = serve(shardsAnswer(() => new Promise(() => {})));
    const facts = await gatherApi({ apiUrl, token, msMax: 200 });
    expect(facts.shards).toMatchObject([{ shard: "shard1", state: "unreachable" }]);
  });

  test("that is none of ours is a sentence", async () => {
    const { apiUrl } = serve({});
    expect(gatherApi({ apiUrl, token, msMax: MS_MAX })).rejects.toThrow("/v1/time gave 404");
  });
});

describe("a source", () => {
  test("gives what it has", async () => {
    expect(await within("it", MS_MAX, async () => 7)).toEqual({ ok: true, value: 7 });
  });

  test("that fails says why", async () => {
    const failed = await within("it", MS_MAX, () => Promise.reject(new Error("no disk.")));
    expect(failed).toEqual({ ok: false, reason: "it: no disk" });
  });

  test("that hangs is not waited for", async () => {
    const hung = await within("it", 10, () => new Promise(() => {}));
    expect(hung).toEqual({ ok: false, reason: "it does not answer within 0.01 s" });
  });

  test("that nobody listens at is said in a few words", async () => {
    const { apiUrl } = serve({});
    await server?.stop(true);
    const gone = await within("the api", MS_MAX, () => gatherApi({ apiUrl, token, msMax: MS_MAX }));
    expect(gone).toMatchObject({ ok: false });
    expect(gone.ok ? "" : gone.reason).toStartWith("the api: /v1/time is not answered (");
  });
});
