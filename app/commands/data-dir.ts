import {
  accessSync,
  closeSync,
  constants,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { codeOf, reasonOf, UsageError } from "../../shards/process/failure.ts";

/** Makes the folder if need be. Throws {@link UsageError} when nothing can be written there. */
export const prepareDataDir = (dataDir: string): void => {
  try {
    mkdirSync(dataDir, { recursive: true });
    accessSync(dataDir, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new UsageError(
      `--data-dir ${dataDir} cannot be written (${reasonOf(error)}): ` +
        `choose another with --data-dir or SLUICE_DATA_DIR.`,
    );
  }
};

const devSecretFile = (dataDir: string): string => join(dataDir, "dev-secret");

/** The secret that `dev` signs with when none is configured; undefined before dev's first start. */
export const readDevSecret = (dataDir: string): string | undefined => {
  try {
    return readFileSync(devSecretFile(dataDir), "utf8").trim();
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw new UsageError(`${devSecretFile(dataDir)} cannot be read: ${reasonOf(error)}.`);
  }
};

/** As {@link readDevSecret}; made at the first start, readable by its owner only. */
export const obtainDevSecret = (dataDir: string): string => {
  const known = readDevSecret(dataDir);
  if (known !== undefined) return known;
  const secret = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64url");
  const file = openSync(devSecretFile(dataDir), "wx", 0o600);
  try {
    writeSync(file, `${secret}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  return secret;
};
