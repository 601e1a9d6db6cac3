/**
 * `bun run build` makes dist/sluice: one file that needs nothing beside it. Threads are programs of
 * their own, so the bundler must be told of each; it can't see them from `new Worker(…)`.
 */
import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";

const MAIN = "app/main.ts";
const OUTPUT = "dist/sluice";

const root = join(import.meta.dir, "..");
const threads = Array.from(new Bun.Glob("shards/**/*-thread.ts").scanSync(root)).toSorted();
mkdirSync(join(root, "dist"), { recursive: true });
const build = Bun.spawnSync(
  [
    process.execPath,
    "build",
    "--compile",
    "--minify",
    // Logs name the class of an error.
    "--keep-names",
    "--sourcemap",
    "--bytecode",
    "--format=esm",
    "--no-compile-autoload-dotenv",
    "--no-compile-autoload-bunfig",
    // Side by side, so that `new URL("./x-thread.ts", import.meta.url)` is right from the one bundle.
    "--entry-naming=[name].[ext]",
    `--outfile=${OUTPUT}`,
    MAIN,
    ...threads,
  ],
  { cwd: root, stdio: ["ignore", "ignore", "inherit"] },
);
if (build.exitCode !== 0) process.exit(1);
const megabytes = Math.round(statSync(join(root, OUTPUT)).size / 1_000_000);
console.log(`${OUTPUT} (${megabytes} MB)`);
