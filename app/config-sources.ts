/**
 * Where settings come from: flags, environment, one YAML file. This part only gathers raw values and
 * remembers who gave each; `config.ts` says what is valid.
 */
import { readFileSync } from "node:fs";
import { parse as parseYaml } from "yaml";
import { reasonOf, UsageError } from "../shards/process/failure.ts";

/** A setting's place in the file: `port`, or `shard.walMax`. */
export type SettingPath = string;

export interface SettingName {
  readonly path: SettingPath;
  readonly env: string;
  /** Its value is YAML text in the environment. */
  readonly structured: boolean;
  /** May be given as `<env>_FILE`; never printed. */
  readonly secret: boolean;
}

/** `--port`, `SLUICE_PORT`, `sluice.yaml`; what a person would change. */
export type SourceName = string;

export interface GatheredSettings {
  /** Nested as in the file. */
  readonly values: Readonly<Record<string, unknown>>;
  readonly sources: ReadonlyMap<SettingPath, SourceName>;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** `dataDir` → `DATA_DIR`. */
export const upperSnake = (key: string): string =>
  key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();

/** `dataDir` → `--data-dir`. */
export const flagName = (key: string): string =>
  `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** Throws {@link UsageError} for an unknown name, an unreadable file, or a secret given twice. */
export const gatherSettings = (options: {
  readonly names: readonly SettingName[];
  readonly file: string | undefined;
  readonly environment: Environment;
  readonly flags: Readonly<Record<SettingPath, string | undefined>>;
}): GatheredSettings => {
  const values: Record<string, unknown> = {};
  const sources = new Map<SettingPath, SourceName>();
  const put = (path: SettingPath, value: unknown, source: SourceName): void => {
    const [head = "", tail] = path.split(".");
    if (tail === undefined) values[head] = value;
    else values[head] = { ...(values[head] as object | undefined), [tail]: value };
    sources.set(path, source);
  };
  if (options.file !== undefined) {
    readSettingsFile(options.file, options.names, put);
  }
  readEnvironment(options.environment, options.names, put);
  for (const [path, value] of Object.entries(options.flags)) {
    if (value !== undefined) put(path, value, flagName(path));
  }
  return { values, sources };
};

type Put = (path: SettingPath, value: unknown, source: SourceName) => void;

const isMapping = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const readSettingsFile = (file: string, names: readonly SettingName[], put: Put): void => {
  const content = parseFile(file);
  const problems: string[] = [];
  const known = new Map(names.map((name) => [name.path, name]));
  const groups = new Set(names.filter((n) => n.path.includes(".")).map((n) => groupOf(n.path)));
  const visit = (path: SettingPath, value: unknown): void => {
    if (groups.has(path)) {
      if (value === null) return;
      if (!isMapping(value)) problems.push(`${path} in ${file} must be a mapping of settings.`);
      else for (const [key, inner] of Object.entries(value)) visit(`${path}.${key}`, inner);
    } else if (!known.has(path)) {
      const hint = suggestion(path, [...known.keys(), ...groups]);
      problems.push(`${path} in ${file} is not a setting${hint}`);
    } else if (value !== null) {
      put(path, value, file);
    }
  };
  for (const [key, value] of Object.entries(content)) visit(key, value);
  if (problems.length > 0) throw new UsageError(problems.join("\n"));
};

const groupOf = (path: SettingPath): string => path.slice(0, path.indexOf("."));

const parseFile = (file: string): Record<string, unknown> => {
  let content: unknown;
  try {
    content = parseYaml(readFileSync(file, "utf8"));
  } catch (error) {
    throw new UsageError(`--config ${file} cannot be read: ${firstLine(reasonOf(error))}`);
  }
  if (content === null) return {};
  if (!isMapping(content)) throw new UsageError(`--config ${file} must be a mapping of settings.`);
  return content;
};

const firstLine = (text: string): string => text.split("\n", 1)[0] ?? "";

const readEnvironment = (
  environment: Environment,
  names: readonly SettingName[],
  put: Put,
): void => {
  const allowed = new Set(names.flatMap((n) => (n.secret ? [n.env, `${n.env}_FILE`] : [n.env])));
  const problems = Object.keys(environment)
    .filter((name) => name.startsWith("SLUICE_") && !allowed.has(name))
    .filter((name) => !OF_LOCAL_SERVICES.test(name))
    .map((name) => `${name} in the environment is not a setting${suggestion(name, [...allowed])}`);
  if (problems.length > 0) throw new UsageError(problems.join("\n"));
  for (const name of names) {
    const fileName = `${name.env}_FILE`;
    const text = nonEmpty(environment[name.env]);
    const file = name.secret ? nonEmpty(environment[fileName]) : undefined;
    if (text !== undefined && file !== undefined) {
      throw new UsageError(`${name.env} and ${fileName} are both set: keep one of them.`);
    }
    if (file !== undefined) put(name.path, readSecretFile(fileName, file), fileName);
    if (text !== undefined) {
      put(name.path, name.structured ? parseStructured(name.env, text) : text, name.env);
    }
  }
};

/** What `deploy/local/services` reads; a shell that exports it may start us too. */
const OF_LOCAL_SERVICES = /^SLUICE_SERVICES_/;

/** An empty variable counts as not set, as compose files leave them. */
const nonEmpty = (text: string | undefined): string | undefined => (text === "" ? undefined : text);

const readSecretFile = (name: string, file: string): string => {
  try {
    return readFileSync(file, "utf8").trimEnd();
  } catch (error) {
    throw new UsageError(`${name}=${file} cannot be read: ${reasonOf(error)}`);
  }
};

const parseStructured = (name: string, text: string): unknown => {
  try {
    return parseYaml(text);
  } catch (error) {
    throw new UsageError(`${name} is not YAML: ${firstLine(reasonOf(error))}`);
  }
};

/** `: did you mean X?` when a known name is at most three edits away, else a full stop. */
const suggestion = (name: string, known: readonly string[]): string => {
  const plain = name.replace(/^SLUICE_/, "");
  if (known.includes(plain)) return `: did you mean ${plain}?`;
  const nearest = known
    .map((candidate) => ({ candidate, edits: editDistance(name, candidate) }))
    .reduce((best, next) => (next.edits < best.edits ? next : best), {
      candidate: "",
      edits: Number.POSITIVE_INFINITY,
    });
  return nearest.edits <= 3 ? `: did you mean ${nearest.candidate}?` : ".";
};

const editDistance = (a: string, b: string): number => {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const current = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(replaced, (previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
};
