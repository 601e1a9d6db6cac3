/** docs/TOPIC.md against the code and the recorded records. */
import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { readRecord } from "../../app/central/order-row.ts";
import { kafkaSettingsSchema } from "../../app/config-fields.ts";
import { CHANGE_REASONS } from "../../shards/domain/event.ts";
import { murmur2, partitionOf } from "../../shards/protocol/partition.ts";
import { RECORD_TYPES, type RecordType } from "../../shards/protocol/record.ts";
import { decodeTopicRecord, TOPIC_HEADERS, TOPIC_VERSION } from "../../shards/protocol/topic.ts";

const FIXTURES = "shards/protocol/fixtures/topic-v1";
const page = readFileSync("docs/TOPIC.md", "utf8");
const fixture = (type: string): string => readFileSync(`${FIXTURES}/${type}.record`, "utf8");

/** First cells of the page's table rows, without their quotes. */
const rows = page
  .split("\n")
  .filter((line) => line.startsWith("| "))
  .map((line) => line.split("|").map((cell) => cell.trim().replaceAll("`", "")));

const recordOf = (text: string) => {
  const [head = "", value = ""] = text.trimEnd().split("\n\n");
  const lines = head.split("\n").map((line) => line.split(": ") as [string, string]);
  const { partition, key, ...headers } = Object.fromEntries(lines);
  const raw = { key: key === undefined ? null : Buffer.from(key), value: Buffer.from(value) };
  return decodeTopicRecord({ ...raw, headers }, Number(partition));
};

describe("the page about the topic", () => {
  test("names every header in its order, and the version", () => {
    const named = rows.map(([, name = ""]) => name);
    const first = named.indexOf(TOPIC_HEADERS[0]);
    expect(named.slice(first, first + TOPIC_HEADERS.length)).toEqual([...TOPIC_HEADERS]);
    expect(page).toContain(`holds for version ${TOPIC_VERSION}.`);
  });

  test("shows a recorded record of each type, and no type has none", () => {
    const shown = [...page.matchAll(/^`(\w+)`: [^`]*(?:`[^`]*`[^`]*)*?```\n(.*?)\n```/gms)];
    expect(shown.map(([, type]) => type).toSorted()).toEqual([...RECORD_TYPES].toSorted());
    for (const [, type = "", example] of shown) expect(`${example}\n`).toBe(fixture(type));
    expect(readdirSync(FIXTURES).toSorted()).toEqual(
      RECORD_TYPES.map((type) => `${type}.record`).toSorted(),
    );
  });

  test.each([...RECORD_TYPES])("shows a value of %s that central reads", (type: RecordType) => {
    expect(readRecord(recordOf(fixture(type))).type).toBe(type);
  });

  test("names every reason of a change and the retention", () => {
    for (const reason of CHANGE_REASONS) expect(page).toContain(`\`${reason}\``);
    expect(page).toContain(`| ${kafkaSettingsSchema.parse({}).retention / 86_400_000} days`);
  });

  test("computes partitions as the shards do", () => {
    const examples = rows.filter(([, , hash = ""]) => /^\d+$/.test(hash));
    expect(examples.length).toBeGreaterThan(3);
    for (const [, key = "", hash, partition] of examples) {
      expect(Number(hash)).toBe(murmur2(key));
      expect(Number(partition)).toBe(partitionOf(key, 12));
    }
  });

  test("gives a shell line that finds a record's hash", async () => {
    const line = /```sh\n(.*?)\n```/s.exec(page)?.[1] ?? "";
    const { prevHash, value, hash } = recordOf(fixture("order_accepted"));
    const shell = Bun.spawn(["sh", "-c", line], { env: { ...process.env, prevHash, value } });
    expect((await shell.stdout.text()).split(" ")[0]).toBe(hash);
    expect(await shell.exited).toBe(0);
  });
});
