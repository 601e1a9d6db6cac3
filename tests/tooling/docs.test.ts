import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Glob } from "bun";
import { createHistoryCache } from "../../app/cache/history-cache.ts";
import { createSharedOrderLimiter } from "../../app/cache/order-limiter.ts";
import { openRedis } from "../../app/cache/redis.ts";
import { ApplierMetrics } from "../../app/central/applier-metrics.ts";
import type { CentralStore } from "../../app/central/store.ts";
import { TopicMetrics } from "../../app/central/topic/topic-metrics.ts";
import { type EffectiveSetting, loadConfig } from "../../app/config.ts";
import { createEdgeMetrics } from "../../app/http/edge-metrics.ts";
import { healthRoutes } from "../../app/http/operations/health.ts";
import type { Edge } from "../../app/http/route.ts";
import type { ShardRouter } from "../../app/routing/router.ts";
import { venueTopics } from "../../app/venue/venue-topics.ts";
import { DOCTOR_PATH, ERRORS_PATH, renderDoctor, renderErrors } from "../../docs/generate.ts";
import { systemClock } from "../../shards/process/clock.ts";
import { createLogger } from "../../shards/process/logger.ts";
import { createRegistry } from "../../shards/process/metrics.ts";
import { WriterMetrics } from "../../shards/writer/metrics.ts";
import { Purses } from "../../shards/writer/risk/purses.ts";
import type { RiskState } from "../../shards/writer/risk/risk-state.ts";

const SILENT = createLogger("test", "silent");

const pages = ["README.md", ...[...new Glob("docs/**/*.md").scanSync(".")].toSorted()];
const textOf = (page: string): string => readFileSync(page, "utf8");

/** Cells of the lines of a page that are table rows, as written. */
const rowsOf = (text: string): readonly (readonly string[])[] =>
  text
    .split("\n")
    .filter((line) => line.startsWith("| "))
    .map((line) => line.slice(1, -1).split("|"))
    .map((cells) => cells.map((cell) => cell.trim()));

/** Of what a page links to or names as a path of the repository, that which is not there. */
const missingIn = (page: string, text: string): readonly string[] => {
  const links = [...text.matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)];
  const names = [...text.matchAll(/`((?:app|shards|migrations|bench|tests|docs)\/[^`\s{}*]*)`/g)];
  // A bench run makes bench/results.
  return [
    ...links.map(([, path = ""]) => join(dirname(page), path)),
    ...names.map(([, path = ""]) => path),
  ].filter((path) => !existsSync(path) && path !== "bench/results/");
};

describe("the documents", () => {
  test.each(pages)("%s links to and names what is there", (page) => {
    expect(missingIn(page, textOf(page))).toEqual([]);
  });

  test("would be caught naming what is not there", () => {
    const text =
      "[a](nowhere.md) and `shards/nowhere.ts`, not [b](GLOSSARY.md#x) or `shards/domain`";
    expect(missingIn("docs/x.md", text)).toEqual(["docs/nowhere.md", "shards/nowhere.ts"]);
  });

  test("cite no line numbers", () => {
    const citing = pages.filter((page) => /\.(ts|sql):\d|#L\d/.test(textOf(page)));
    expect(citing).toEqual([]);
  });
});

test("docs/ERRORS.md is what `bun run docs` writes", () => {
  expect(readFileSync(ERRORS_PATH, "utf8")).toBe(renderErrors());
});

test("docs/DOCTOR.md is what `bun run docs` writes", () => {
  expect(readFileSync(DOCTOR_PATH, "utf8")).toBe(renderDoctor());
});

test("the decisions are numbered without a gap, and the architecture lists them with their titles", () => {
  const files = [...new Glob("*.md").scanSync("docs/decisions")].toSorted();
  expect(files.map((file) => Number(file.slice(0, 4)))).toEqual(files.map((_, i) => i + 1));
  const listed = files.map((file) => {
    const [title = ""] = textOf(`docs/decisions/${file}`).split("\n");
    return `- [${title.replace("# ", "")}](decisions/${file})`;
  });
  const lines = textOf("docs/ARCHITECTURE.md").split("\n");
  expect(lines.filter((line) => line.startsWith("- ["))).toEqual(listed);
});

describe("docs/OPERATING.md", () => {
  const operating = textOf("docs/OPERATING.md");

  test("lists every setting with its variable and its default", () => {
    const shown = ({ value, structured }: EffectiveSetting): string => {
      if (value === undefined) return "none";
      return structured ? "three shards" : `\`${value}\``;
    };
    const settings = loadConfig({}, {}).effective.map((setting) => [
      `\`${setting.path}\``,
      `\`${setting.env}\``,
      shown(setting),
    ]);
    const rows = rowsOf(operating).filter(([, variable = ""]) => /^`[A-Z_]+`$/.test(variable));
    expect(rows.map((row) => row.slice(0, 3))).toEqual(settings);
  });

  test("lists every series that a process gives, and no other", async () => {
    const registry = createRegistry({});
    const zero = (): number => 0;
    const writerMetrics = new WriterMetrics(registry);
    writerMetrics.escrow.watch({ purses: new Purses(), ticking: [] } as unknown as RiskState, zero);
    writerMetrics.watch(registry, {
      queue: zero,
      openOrders: zero,
      waitingForBanks: zero,
      replicatedCommitSeq: zero,
      backlogRecords: zero,
      backlogSeconds: zero,
      centralLagRecords: zero,
      centralLagSeconds: zero,
      walBytes: zero,
      fileBytes: zero,
    });
    createEdgeMetrics(registry);
    venueTopics({ registry, logger: SILENT, router: {} as ShardRouter, deadlineAt: zero });
    // Neither is asked anything before somebody scrapes.
    healthRoutes({} as Edge, registry);
    new ApplierMetrics(registry, {} as CentralStore);
    new TopicMetrics(registry, () => []);
    const redis = openRedis({ url: "redis://127.0.0.1:1", logger: SILENT, registry });
    createSharedOrderLimiter({ redis, ordersPerSecondMax: 1, registry });
    createHistoryCache({ redis, clock: systemClock, registry });
    await redis.close();
    const given = registry.getMetricsAsArray().map(({ name }) => name);
    const listed = [...operating.matchAll(/`(sluice_[a-z_]+)`/g)].map(([, name]) => name);
    expect(listed.toSorted()).toEqual(given.toSorted());
  });
});

test("the README lists the commands that the program has", async () => {
  const help = Bun.spawn([process.execPath, "app/main.ts", "--help"], { stdin: "ignore" });
  const text = await help.stdout.text();
  expect(await help.exited).toBe(0);
  const commands = [...text.matchAll(/^ {2}([a-z]+) /gm)].map(([, name]) => `\`${name}\``);
  const listed = rowsOf(textOf("README.md")).map(([name]) => name);
  expect(listed.filter((name) => /^`[a-z]+`$/.test(name ?? ""))).toEqual(
    commands.filter((name) => name !== "`help`"),
  );
});
