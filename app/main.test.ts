import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pickPorts } from "./supervisor/ports.ts";

const SECRET = "0123456789abcdef0123456789abcdef";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-main-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Runs `sluice` in the test's folder, with these variables and no others. */
const sluice = async (args: readonly string[], environment: Record<string, string> = {}) => {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "main.ts"), ...args], {
    cwd: folder,
    env: environment,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { code: await child.exited, out, err: err.replaceAll(folder, ".") };
};

describe("wrong use is exit 2, one sentence and no stack", () => {
  const off = { SLUICE_JWT_SECRET: "short" };

  test.each<[string, Record<string, string>, string]>([
    ["devv", {}, "unknown command 'devv' (Did you mean dev?)"],
    ["dev --prot 1", {}, "unknown option '--prot' (Did you mean --port?)"],
    ["shard", {}, "required option '--shard <name>' not specified"],
    ["config", { SLUICE_PORT: "x" }, 'SLUICE_PORT = "x": expected a whole number'],
    ["config", { REDIS_URL: "http://a" }, "REDIS_URL: expected a URL like redis://"],
    ["resend --shard shard1 --port 1", {}, "unknown option '--port'. See sluice resend --help"],
    [
      "partitions raise",
      {},
      "missing required argument 'count'. See sluice partitions raise --help",
    ],
    ["dev --host 0.0.0.0", {}, "--host 0.0.0.0 is off loopback"],
    ["dev --new-epoch shard9", {}, '--new-epoch = "shard9" is no shard'],
    ["dev --data-dir /dev/null/x", {}, "--data-dir /dev/null/x cannot be written"],
    ["shard --shard shard9", {}, '--shard = "shard9" is no shard of the setting sharding'],
    ["api", {}, "No key to verify tokens with: set SLUICE_JWT_SECRET"],
    ["token --account 42", {}, "No secret to sign tokens with: set SLUICE_JWT_SECRET"],
    ["token --account 42", off, "SLUICE_JWT_SECRET has 5 bytes"],
    ["token --account 0", {}, '--account = "0": expected a whole number from 1 up.'],
    ["token --account 42 --scope all", {}, '--scope = "all": expected some of read, trade, admin'],
    ["token --account 42 --ttl 5", {}, '--ttl = "5": expected like 30s'],
    ["instruments import none.json", {}, "none.json cannot be read"],
    ["resend --shard shard9", {}, '--shard = "shard9" is no shard of the setting sharding'],
    ["partitions raise 0", {}, "partitions raise 0: expected a whole number, 1 to 1000."],
    ["partitions raise 2 --api x", {}, '--api = "x": expected like http://127.0.0.1:8080.'],
    ["replay none.csv --accounts 0", {}, '--accounts = "0": expected a whole number'],
    ["replay none.csv --speed 2", {}, '--speed = "2": expected max or 1.'],
  ])("sluice %s %p", async (line, environment, start) => {
    const { code, out, err } = await sluice(line.split(" "), environment);
    expect(err).toStartWith(start);
    expect(err.trimEnd()).not.toContain("\n");
    expect({ code, out }).toEqual({ code: 2, out: "" });
  });

  test("a taken port", async () => {
    const [port = 0] = pickPorts(1);
    const taken = Bun.listen({ hostname: "127.0.0.1", port, socket: { data: () => {} } });
    const { code, err } = await sluice(["api", "--port", String(port)], {
      SLUICE_JWT_SECRET: SECRET,
    });
    taken.stop(true);
    expect(err).toBe(
      `Port ${port} on 127.0.0.1 is taken: end what uses it, or set --port or SLUICE_PORT.\n`,
    );
    expect(code).toBe(2);
  });
});

test("a failure outside is exit 1, one sentence and no stack", async () => {
  const [port = 0] = pickPorts(1);
  const api = `http://127.0.0.1:${port}`;
  const { code, err } = await sluice(["resend", "--shard", "shard1", "--api", api], {
    SLUICE_JWT_SECRET: SECRET,
  });
  expect(err).toStartWith(`No answer from ${api}/admin/v1/shards/shard1/resend (`);
  expect(err).toEndWith("): start the api, or name another with --api.\n");
  expect(err.trimEnd()).not.toContain("\n");
  expect(code).toBe(1);
});

test("a token is for the account, with the scopes asked for and no longer than asked for", async () => {
  const args = ["token", "--account", "42", "--scope", "admin read", "--ttl", "2h"];
  const { code, out } = await sluice(args, { SLUICE_JWT_SECRET: SECRET });
  const claims = JSON.parse(Buffer.from(out.split(".")[1] ?? "", "base64url").toString());
  expect(claims).toMatchObject({ sub: "42", scope: "read admin" });
  expect(claims.exp - claims.iat).toBe(7200);
  expect(code).toBe(0);
});

test("migrate makes the central store once", async () => {
  const first = await sluice(["migrate", "--data-dir", "m"]);
  expect(first).toMatchObject({ code: 0, err: "" });
  expect(first.out).toContain("applied 0001_initial");
  const second = await sluice(["migrate", "--data-dir", "m"]);
  expect(second.out).toContain("is at this version's tables already");
});

describe("instruments import", () => {
  const one = readFileSync(join(import.meta.dir, "instruments/default-set.jsonl"), "utf8")
    .split("\n", 1)
    .join("");

  test("writes the seed file and says how many", async () => {
    writeFileSync(join(folder, "one.json"), one);
    const { code, out } = await sluice(["instruments", "import", "one.json", "--data-dir", "i"]);
    expect(out).toStartWith("1 instruments written to ");
    expect(code).toBe(0);
    expect(
      readFileSync(join(folder, "i/instruments.json"), "utf8").trimEnd().split("\n"),
    ).toHaveLength(1);
  });

  test("leaves the old file when a new one is rubbish", async () => {
    const file = join(folder, "i2/instruments.json");
    await sluice(["instruments", "import", "one.json", "--data-dir", "i2"]);
    const before = statSync(file).mtimeMs;
    writeFileSync(join(folder, "bad.json"), "rubbish");
    const { code, err } = await sluice(["instruments", "import", "bad.json", "--data-dir", "i2"]);
    expect(err).toStartWith("bad.json: not JSON");
    expect(code).toBe(2);
    expect(statSync(file).mtimeMs).toBe(before);
  });
});
