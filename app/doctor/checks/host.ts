/** This host: data folder, disks, SQLite, keys, clocks. */
import { type Check, given, seen, skipped } from "../check.ts";
import type { ClockReading, Facts } from "../facts.ts";
import { type Finding, found } from "../findings.ts";
import { sizeText } from "../units.ts";

const OTHERS = 0o077;

const dataFolder: Check = {
  name: "data folder",
  run: ({ expected: { dataDir }, host: { folder } }) => {
    if (folder === null)
      return seen("", [found("data_folder_missing", `${dataDir} is not there.`)]);
    const findings: Finding[] = [];
    if (!folder.writable) {
      findings.push(found("data_folder_unwritable", `${dataDir} can't be written by this user.`));
    }
    if ((folder.mode & OTHERS) !== 0) {
      const what = `${dataDir} has mode ${folder.mode.toString(8)}.`;
      findings.push(found("data_folder_open", what, `chmod 700 ${dataDir}`));
    }
    return seen(dataDir, findings);
  },
};

/** Of the floor: below this somebody should look. */
const LOW_FACTOR = 4;

const disk: Check = {
  name: "disk",
  run: (facts) => {
    const floor = facts.expected.freeSpaceFloorBytes;
    const places = disksOf(facts);
    if (places.length === 0) return skipped("nothing says how much space is free");
    const findings = places.flatMap(({ where, freeBytes }) => {
      const what = `${where}: ${sizeText(freeBytes)} free, the floor is ${sizeText(floor)}.`;
      if (freeBytes < floor) return [found("disk_short", what)];
      return freeBytes < LOW_FACTOR * floor ? [found("disk_low", what)] : [];
    });
    const least = Math.min(...places.map(({ freeBytes }) => freeBytes));
    return seen(`${sizeText(least)} free`, findings);
  },
};

const disksOf = ({ expected, host, api }: Facts) => {
  const shards = (given(api)?.shards ?? []).flatMap(({ shard, freeBytes }) =>
    freeBytes === null ? [] : [{ where: shard, freeBytes }],
  );
  const own = host.folder === null ? [] : [{ where: expected.dataDir, ...host.folder }];
  return [...own, ...shards];
};

const sqlite: Check = {
  name: "SQLite",
  run: ({ host: { sqlite: own }, api }) => {
    const shards = (given(api)?.shards ?? []).filter(
      (shard) => shard.sqliteVersion !== null && shard.sqliteVersion !== own.version,
    );
    const others = shards.map((shard) => `${shard.shard} has ${shard.sqliteVersion}`);
    const text = [own.version, ...others].join(", ");
    return seen(text, own.refusal === null ? [] : [found("sqlite_old", own.refusal)]);
  },
};

const keys: Check = {
  name: "token keys",
  run: ({ host: { keysRefusal } }) =>
    seen("can be loaded", keysRefusal === null ? [] : [found("keys_unusable", keysRefusal)]),
};

/** Further apart than this, deadlines and tokens go wrong. */
const CLOCK_MS_MAX = 1000;

const clocks: Check = {
  name: "clocks",
  run: (facts) => {
    const readings: readonly (readonly [string, ClockReading | undefined])[] = [
      ["the api", given(facts.api)?.clock],
      ["MySQL", given(facts.mysql)?.clock],
      ["Redis", given(facts.redis)?.clock],
    ];
    const known = readings.flatMap(([whose, clock]) => (clock ? [{ whose, ...clock }] : []));
    if (known.length === 0) return skipped("no other clock can be read");
    const findings = known
      .filter(({ offsetMs, uncertaintyMs }) => Math.abs(offsetMs) - uncertaintyMs > CLOCK_MS_MAX)
      .map(({ whose, offsetMs }) => {
        const direction = offsetMs > 0 ? "ahead of" : "behind";
        const seconds = (Math.abs(offsetMs) / 1000).toFixed(1);
        return found(
          "clock_off",
          `The clock of ${whose} is ${seconds} s ${direction} this host's.`,
        );
      });
    const most = Math.max(...known.map(({ offsetMs }) => Math.abs(offsetMs)));
    const whose = known.map((reading) => reading.whose).join(", ");
    return seen(`${whose}: at most ${Math.round(most)} ms from this host's`, findings);
  },
};

export const HOST_CHECKS: readonly Check[] = [dataFolder, disk, sqlite, keys, clocks];
