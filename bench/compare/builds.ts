/** The two programs that are compared, each compiled from its own tree with its own packages. */
import { chmodSync, copyFileSync, existsSync, mkdirSync, rmSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { reasonOf, UsageError } from "../../shards/process/failure.ts";
import { ROOT } from "../support/machine.ts";
import { say } from "../support/options.ts";

export interface Build {
  /** As it was asked for. */
  readonly asked: string;
  /** What it is, for the reader: a short hash, the tree as it is, a file. */
  readonly name: string;
  /** The program. */
  readonly binary: string;
}

/** Programs of revisions stay here, by their hash. */
const FOLDER = join(ROOT, ".sluice/bench/compare");

/** `.`: the tree as it is, with what is not committed. A file: a program. Else a git revision. */
export const buildOf = (asked: string): Build => {
  if (asked === ".") return buildTree();
  const file = resolve(asked);
  if (existsSync(file) && statSync(file).isFile()) return { asked, name: asked, binary: file };
  return buildRevision(asked);
};

const buildTree = (): Build => {
  say("building the tree as it is");
  run(["bun", "run", "build"], ROOT);
  return { asked: ".", name: "the tree", binary: keep(join(ROOT, "dist/sluice"), "tree") };
};

const buildRevision = (asked: string): Build => {
  const hash = hashOf(asked);
  const name = hash.slice(0, 10);
  const binary = join(FOLDER, name, "sluice");
  if (existsSync(binary)) return { asked, name, binary };
  const tree = join(FOLDER, `${name}-tree`);
  rmSync(tree, { recursive: true, force: true });
  mkdirSync(tree, { recursive: true });
  say(`building ${asked} (${name}; once, it stays in ${FOLDER})`);
  try {
    const archive = join(tree, "tree.tar");
    run(["git", "archive", "--format=tar", `--output=${archive}`, hash], ROOT);
    run(["tar", "-xf", archive], tree);
    run(["bun", "run", "build"], tree);
    return { asked, name, binary: keep(join(tree, "dist/sluice"), name) };
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
};

const hashOf = (asked: string): string => {
  try {
    return run(["git", "rev-parse", "--verify", "--quiet", `${asked}^{commit}`], ROOT).trim();
  } catch {
    throw new UsageError(
      `${asked} is neither \`.\`, a program, a folder of results nor a revision that git knows.`,
    );
  }
};

const keep = (binary: string, name: string): string => {
  const folder = join(FOLDER, name);
  mkdirSync(folder, { recursive: true });
  const kept = join(folder, "sluice");
  copyFileSync(binary, kept);
  chmodSync(kept, 0o755);
  return kept;
};

/** What it printed. `bun` is the one that runs this. */
const run = ([program = "", ...args]: readonly string[], cwd: string): string => {
  const command = [program === "bun" ? process.execPath : program, ...args];
  try {
    const { exitCode, stdout, stderr } = Bun.spawnSync(command, { cwd, stderr: "pipe" });
    if (exitCode === 0) return stdout.toString();
    throw new Error(`exit code ${exitCode}\n${stderr}${stdout}`);
  } catch (error) {
    throw new UsageError(`${[program, ...args].join(" ")} in ${cwd}: ${reasonOf(error)}`);
  }
};
