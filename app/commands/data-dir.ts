import {
  accessSync,
  constants,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { codeOf, reasonOf, UsageError } from "../../shards/process/failure.ts";
import { SECRET_BYTES_MIN } from "../tokens/keys.ts";

/**
 * Makes the folder if need be, for this user only: orders are in it. Throws {@link UsageError} when
 * nothing can be written there.
 */
export const prepareDataDir = (dataDir: string): void => {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    accessSync(dataDir, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new UsageError(
      `--data-dir ${dataDir} cannot be written (${reasonOf(error)}): ` +
        `choose another with --data-dir or SLUICE_DATA_DIR.`,
    );
  }
};

const devSecretFile = (dataDir: string): string => join(dataDir, "dev-secret");

/** A new random secret, as text: 32 bytes of entropy in 43 characters. */
export const createSecret = (): string =>
  Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64url");

/**
 * The secret that `dev` signs with when none is configured; undefined before dev's first start, and
 * when the file holds too little to be one, as a full disk leaves it.
 */
export const readDevSecret = (dataDir: string): string | undefined => {
  try {
    const secret = readFileSync(devSecretFile(dataDir), "utf8").trim();
    return Buffer.byteLength(secret) < SECRET_BYTES_MIN ? undefined : secret;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw new UsageError(`${devSecretFile(dataDir)} cannot be read: ${reasonOf(error)}.`);
  }
};

/** As {@link readDevSecret}; made at the first start, readable by its owner only. */
export const obtainDevSecret = (dataDir: string): string => {
  const known = readDevSecret(dataDir);
  if (known !== undefined) return known;
  const secret = createSecret();
  const file = devSecretFile(dataDir);
  const draft = join(dataDir, `.dev-secret.${process.pid}`);
  try {
    writeFileSync(draft, `${secret}\n`, { mode: 0o600, flush: true });
    putUnlessThere(draft, file, () => readDevSecret(dataDir) !== undefined);
  } catch (error) {
    throw new UsageError(`${file} cannot be written: ${reasonOf(error)}.`);
  } finally {
    rmSync(draft, { force: true });
  }
  return readDevSecret(dataDir) ?? secret;
};

/** A link takes nobody's place, so that of several first starts at once one makes the secret. */
const putUnlessThere = (draft: string, file: string, isThere: () => boolean): void => {
  try {
    linkSync(draft, file);
  } catch {
    // What is there is no secret, or the file system has no links.
    if (!isThere()) renameSync(draft, file);
  }
};
