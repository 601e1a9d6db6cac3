import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** The download folder of `deploy/local/services`. */
export const servicesAreHere = (): boolean =>
  existsSync(process.env.SLUICE_SERVICES_DIR ?? join(homedir(), ".cache/sluice-services"));

export const WITHOUT_SERVICES =
  "no broker and no MySQL are on this machine; `deploy/local/services fetch` gets them";
