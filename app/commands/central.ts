import { join } from "node:path";
import type { CentralReader } from "../central/central-reader.ts";
import { CENTRAL_FILE } from "../central/embedded/sqlite-file.ts";
import { openSqliteReader } from "../central/embedded/sqlite-reader.ts";
import { openMysqlReader } from "../central/mysql/mysql-reader.ts";
import type { Config } from "../config.ts";

/** The central store of these settings, for tools that read it beside the appliers. */
export const openCentralReader = ({ mysqlUrl, dataDir }: Config): CentralReader =>
  mysqlUrl === undefined
    ? openSqliteReader(join(dataDir, CENTRAL_FILE))
    : openMysqlReader(mysqlUrl);
