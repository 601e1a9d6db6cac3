import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { obtainDevSecret, prepareDataDir, readDevSecret } from "./data-dir.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sluice-data-dir-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);

describe("the data folder", () => {
  test("is its owner's only when we make it", () => {
    const dataDir = join(folder, "data");
    prepareDataDir(dataDir);
    expect(modeOf(dataDir)).toBe("700");
  });

  test("is left as it is when it is there", () => {
    chmodSync(folder, 0o755);
    prepareDataDir(folder);
    expect(modeOf(folder)).toBe("755");
  });
});

describe("dev's secret", () => {
  const file = (): string => join(folder, "dev-secret");

  test("is made once, its owner's only, and nothing else is left in the folder", () => {
    expect(readDevSecret(folder)).toBeUndefined();
    const secret = obtainDevSecret(folder);
    expect(Buffer.byteLength(secret)).toBeGreaterThanOrEqual(32);
    expect(readFileSync(file(), "utf8")).toBe(`${secret}\n`);
    expect(modeOf(file())).toBe("600");
    expect([obtainDevSecret(folder), readDevSecret(folder)]).toEqual([secret, secret]);
    expect(readdirSync(folder)).toEqual(["dev-secret"]);
  });

  test.each(["", "\n", "half-written"])("is made anew when the file has %j only", (text) => {
    writeFileSync(file(), text);
    expect(readDevSecret(folder)).toBeUndefined();
    const secret = obtainDevSecret(folder);
    expect(readDevSecret(folder)).toBe(secret);
    expect(modeOf(file())).toBe("600");
  });

  test("is one when several first starts come at once", async () => {
    const program =
      `import { obtainDevSecret } from ${JSON.stringify(join(import.meta.dir, "data-dir.ts"))};\n` +
      `process.stderr.write("ready");\n` +
      `await Bun.stdin.text();\n` +
      `console.log(obtainDevSecret(${JSON.stringify(folder)}));`;
    const starts = Array.from({ length: 4 }, () =>
      Bun.spawn([process.execPath, "-e", program], { stdio: ["pipe", "pipe", "pipe"] }),
    );
    await Promise.all(starts.map((start) => start.stderr.getReader().read()));
    for (const start of starts) void start.stdin.end();
    const secrets = await Promise.all(starts.map((start) => start.stdout.text()));
    expect(await Promise.all(starts.map((start) => start.exited))).toEqual([0, 0, 0, 0]);
    expect(secrets).toEqual(secrets.map(() => readFileSync(file(), "utf8")));
  });
});
