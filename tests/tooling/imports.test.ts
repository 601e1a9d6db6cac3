import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";

type Case = readonly [from: string, to: string, rule: string | undefined];

/** One import each, and the rule that refuses it; `type ` before a path makes it a type import. */
const cases: readonly Case[] = [
  ["shards/domain/a.ts", "shards/domain/b.ts", undefined],
  ["shards/domain/a.ts", "shards/protocol/frame.ts", "room: shards/domain"],
  ["shards/domain/a.ts", "type shards/process/clock.ts", "room: shards/domain"],
  ["shards/domain/a.ts", "zod", "domain is pure"],
  ["shards/domain/a.ts", "node:fs", "domain is pure"],
  ["shards/domain/a.ts", "bun:ffi", "domain is pure"],
  ["shards/domain/a.test.ts", "bun:test", undefined],
  ["shards/protocol/a.ts", "shards/domain/b.ts", undefined],
  ["shards/protocol/a.ts", "zod", undefined],
  ["shards/protocol/a.ts", "shards/process/clock.ts", "room: shards/protocol"],
  ["shards/process/a.ts", "pino", undefined],
  ["shards/process/kafka.ts", "kafkajs", undefined],
  ["shards/process/a.ts", "kafkajs", "package: kafkajs"],
  ["shards/process/a.ts", "shards/domain/b.ts", "room: shards/process"],
  ["shards/writer/a.ts", "shards/process/clock.ts", undefined],
  ["shards/writer/a.ts", "shards/store/open.ts", "room: shards/writer"],
  ["shards/writer/a.ts", "bun:sqlite", "package: bun:sqlite"],
  ["shards/store/a.ts", "bun:sqlite", undefined],
  ["shards/store/a.ts", "drizzle-orm/bun-sqlite", undefined],
  ["shards/store/a.ts", "migrations/shard/0001_initial.sql", undefined],
  ["shards/store/a.ts", "type shards/writer/ports.ts", undefined],
  ["shards/store/b.ts", "shards/writer/ports.ts", "types only: shards/store"],
  ["shards/store/a.ts", "type shards/writer/loop.ts", "room: shards/store"],
  ["shards/relay/a.ts", "kafkajs", undefined],
  ["shards/relay/a.ts", "shards/domain/b.ts", "room: shards/relay"],
  ["shards/main.ts", "shards/store/open.ts", undefined],
  ["shards/main.ts", "app/cache/limiter.ts", "never back"],
  ["shards/main.test.ts", "app/cache/limiter.ts", "never back"],
  ["shards/main.ts", "commander", undefined],
  ["shards/config.ts", "yaml", undefined],
  ["shards/config.ts", "shards/domain/order.ts", undefined],
  ["shards/config.ts", "shards/writer/loop.ts", "room: shards/config.ts"],
  ["shards/utils/a.ts", "shards/domain/b.ts", "room not in the table"],
  ["app/routing/a.ts", "shards/protocol/frame.ts", undefined],
  ["app/routing/a.ts", "shards/store/open.ts", "room: app/routing"],
  ["app/routing/a.ts", "zod", "package: zod"],
  ["app/cache/a.ts", "ioredis", undefined],
  ["app/cache/a.ts", "app/routing/b.ts", "room: app/cache"],
  ["app/central/a.ts", "kafkajs", undefined],
  ["app/commands/a.ts", "kafkajs", "package: kafkajs"],
  ["app/central/a.ts", "mysql2/promise", undefined],
  ["app/http/a.ts", "hono/cors", undefined],
  ["app/http/a.ts", "app/central/history.ts", undefined],
  ["app/http/a.ts", "app/central/applier.ts", "room: app/http"],
  ["app/http/a.ts", "ioredis", "package: ioredis"],
  ["app/http/a.ts", "kafkajs", "package: kafkajs"],
  ["app/http/a.ts", "pino", "package: pino"],
  ["app/verify/a.ts", "app/central/central-reader.ts", undefined],
  ["app/verify/a.ts", "shards/store/shard-reader.ts", undefined],
  ["app/verify/a.ts", "shards/store/open.ts", "room: app/verify"],
  ["app/verify/a.ts", "app/central/applier.ts", "room: app/verify"],
  ["app/restore/a.ts", "shards/store/restored-file.ts", undefined],
  ["app/restore/a.ts", "shards/relay/claim.ts", undefined],
  ["app/restore/a.ts", "bun:sqlite", "package: bun:sqlite"],
  ["app/supervisor/a.ts", "hono", "package: hono"],
  ["app/supervisor/a.ts", "jose", "package: jose"],
  ["app/instruments/a.ts", "zod", undefined],
  ["app/instruments/a.ts", "shards/protocol/frame.ts", "room: app/instruments"],
  ["app/doctor/a.ts", "kafkajs", undefined],
  ["app/doctor/a.ts", "app/central/b.ts", undefined],
  ["app/doctor/a.ts", "shards/store/open.ts", undefined],
  ["app/doctor/a.ts", "shards/store/other.ts", "room: app/doctor"],
  ["app/doctor/a.ts", "app/http/b.ts", "room: app/doctor"],
  ["app/commands/a.ts", "app/http/b.ts", undefined],
  ["app/commands/a.ts", "commander", undefined],
  ["app/commands/a.ts", "shards/store/open.ts", "room: app/commands"],
  ["app/main.ts", "app/commands/b.ts", undefined],
  ["app/main.ts", "express", "package not in the table"],
  ["app/config.ts", "app/http/b.ts", "room: app/config.ts"],
  ["app/http/c.ts", "tests/support/client.ts", "nobody imports tests"],
  ["app/http/c.test.ts", "tests/support/client.ts", undefined],
  ["tests/system/a.test.ts", "shards/store/open.ts", undefined],
  ["tests/system/a.test.ts", "bench/run.ts", "nobody imports the bench"],
  ["bench/run.ts", "app/http/b.ts", undefined],
  ["app/routing/circle-a.ts", "app/routing/circle-b.ts", "no circles"],
];

interface Violation {
  readonly from: string;
  readonly to: string;
  readonly rule: { readonly name: string };
}

const isOurs = (to: string): boolean => /^(app|shards|migrations|bench|tests)\//.test(to);
const target = (to: string): string => to.replace(/^type /, "");

const importLine = (from: string, to: string): string => {
  const path = target(to);
  const specifier = isOurs(path) ? `./${relative(dirname(from), path)}` : path;
  return `export ${to.startsWith("type ") ? "type " : ""}* from "${specifier}";\n`;
};

const writeTree = (root: string): void => {
  const back = ["app/routing/circle-b.ts", "app/routing/circle-a.ts"] as const;
  const texts = new Map<string, string>([[back[0], importLine(...back)]]);
  for (const [from, to] of cases) {
    texts.set(from, (texts.get(from) ?? "") + importLine(from, to));
    if (isOurs(target(to))) {
      texts.set(target(to), texts.get(target(to)) ?? "");
    }
  }
  for (const [file, text] of texts) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), text);
  }
};

describe("the import table", () => {
  const root = mkdtempSync(join(tmpdir(), "sluice-imports-"));
  let violations: readonly Violation[] = [];

  beforeAll(async () => {
    writeTree(root);
    const depcruise = resolve("node_modules/.bin/depcruise");
    const rules = resolve(".dependency-cruiser.mjs");
    const child = Bun.spawn(
      [process.execPath, depcruise, "--config", rules, "--output-type", "json", "."],
      { cwd: root, stdin: "ignore", stderr: "inherit" },
    );
    const { summary } = JSON.parse(await child.stdout.text());
    await child.exited;
    violations = summary.violations;
  });

  afterAll(() => rmSync(root, { recursive: true }));

  for (const [from, to, rule] of cases) {
    const verb = rule === undefined ? "allows" : "refuses";
    test(`${verb} ${from} → ${to}${rule === undefined ? "" : `, by "${rule}"`}`, () => {
      const resolved = target(to).replace(/^node:/, "");
      const broken = violations
        .filter((violation) => violation.from === from && violation.to === resolved)
        .map((violation) => violation.rule.name);
      if (rule === undefined) {
        expect(broken).toEqual([]);
      } else {
        expect(broken).toContain(rule);
      }
    });
  }
});
