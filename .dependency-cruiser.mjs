// The import table of docs/ARCHITECTURE.md as data; the rules below are made from it, nothing else.
// A file may import its own room, the rooms named beside it, and only the packages at home in it.
// Unit tests (*.test.ts) are outside the table, but not outside "never back" and "no circles".

const core = ["shards/domain/", "shards/protocol/", "shards/process/"];

/** What each room may import of ours: regular expressions on paths from the root. */
const rooms = {
  "shards/domain/": [],
  "shards/protocol/": ["shards/domain/"],
  "shards/process/": [],
  "shards/writer/": core,
  "shards/store/": [...core, "migrations/shard/"],
  "shards/relay/": ["shards/protocol/", "shards/process/"],
  "shards/peers/": core,
  "shards/config\\.ts$": core,
  "shards/shard\\.ts$": [
    ...core,
    "shards/writer/",
    "shards/relay/",
    "shards/peers/",
    "shards/config\\.ts$",
  ],
  "shards/relay-thread\\.ts$": [...core, "shards/relay/", "shards/store/"],
  "shards/main\\.ts$": ["shards/"],

  "app/routing/": core,
  "app/cache/": core,
  "app/central/": [...core, "migrations/central(-mysql)?/"],
  "app/supervisor/": core,
  "app/tokens/": core,
  "app/http/": [...core, "app/routing/", "app/cache/", "app/tokens/", "app/central/history[./-]"],
  // It asks every part as its own process would, and knows the least version of SQLite.
  "app/doctor/": [...core, "app/central/", "app/cache/redis\\.ts$", "shards/store/open\\.ts$"],
  // They read and make a shard's file, on its host, beside or before its writer.
  "app/verify/": [
    ...core,
    "app/central/(central-reader|order-row|entity-row|record-value)\\.ts$",
    "shards/store/shard-reader\\.ts$",
  ],
  "app/restore/": [
    ...core,
    "app/central/(central-reader|order-row|entity-row)\\.ts$",
    "shards/store/(restored-file|cluster|open-shard|peer-file)\\.ts$",
    "shards/relay/(claim|standing)\\.ts$",
  ],
  // The paper engine reads what a shard commits from its file.
  "app/matching/": [...core, "shards/store/shard-reader\\.ts$"],
  "app/venue/": [
    ...core,
    "app/central/topic/(patience|topic-admin)\\.ts$",
    "app/http/venue/(executions|mark-prices)\\.ts$",
    "app/routing/",
  ],
  "app/instruments/": ["shards/domain/", "shards/process/"],
  "app/config[a-z-]*\\.ts$": [...core, "shards/config\\.ts$"],
  // One binary carries every process, so the command line may also start the shard's main.
  "app/commands/": [...core, "app/(?!main\\.ts$|build\\.ts$)", "shards/main\\.ts$"],
  "app/main\\.ts$": [...core, "app/(?!build\\.ts$)", "shards/main\\.ts$"],
  "app/build\\.ts$": [],

  "migrations/": [],
};

/** Beyond the table a room may name the types of these files, and never their values. */
const typesOnly = {
  "shards/store/": ["shards/(writer|relay)/.*\\bports?[./]"],
};

const configFile = "(app|shards)/.*\\bconfig[a-z-]*\\.ts$";
const mainFile = "(app|shards)/main\\.ts$";

/** Where each package is at home. A package that is not named here is refused everywhere. */
const packages = {
  "bun:sqlite": ["shards/store/", "app/central/", "app/doctor/"],
  "drizzle-orm": ["shards/store/", "app/central/"],
  mysql2: ["app/central/"],
  kafkajs: [
    "shards/process/kafka\\.ts$",
    "shards/relay/",
    "app/central/",
    "app/venue/",
    "app/doctor/",
  ],
  ioredis: ["app/cache/"],
  "rate-limiter-flexible": ["app/cache/"],
  hono: ["app/http/"],
  jose: ["app/http/", "app/tokens/"],
  "swagger-ui-dist": ["app/http/"],
  "zod-openapi": ["app/http/"],
  zod: ["shards/protocol/", "app/http/", "app/instruments/", "app/doctor/", configFile],
  yaml: [configFile],
  commander: [mainFile, "app/commands/"],
  "cli-progress": ["app/commands/"],
  pino: ["shards/process/"],
  "prom-client": ["shards/process/", "app/http/"],
};

const ours = "^(app|shards|migrations|bench|tests)/";
const unitTest = "\\.test\\.ts$";

const either = (patterns) => `^(${patterns.join("|")})`;
const installed = (name) => `(^|node_modules/)${name}(/|$)`;
const nameOf = (pattern) => pattern.replace(/\/?$/, "").replaceAll(/\[a-z-\]\*|[\\^$]/g, "");
const rule = (name, from, to) => ({ name, severity: "error", from, to });

const roomRules = Object.entries(rooms).map(([room, may]) =>
  rule(
    `room: ${nameOf(room)}`,
    { path: `^${room}`, pathNot: unitTest },
    { path: ours, pathNot: either([room, ...may, ...(typesOnly[room] ?? [])]) },
  ),
);

const typeRules = Object.entries(typesOnly).map(([room, files]) =>
  rule(
    `types only: ${nameOf(room)}`,
    { path: `^${room}`, pathNot: unitTest },
    { path: either(files), dependencyTypesNot: ["type-only"] },
  ),
);

const packageRules = Object.entries(packages).map(([name, homes]) =>
  rule(
    `package: ${name}`,
    { path: "^(app|shards|migrations)/", pathNot: [either(homes), unitTest] },
    { path: installed(name) },
  ),
);

const forbidden = [
  ...roomRules,
  ...typeRules,
  ...packageRules,
  rule(
    "room not in the table",
    { path: "^(app|shards)/", pathNot: [either(Object.keys(rooms)), unitTest] },
    {},
  ),
  rule(
    "package not in the table",
    { path: "^(app|shards|migrations)/", pathNot: unitTest },
    {
      path: ["node_modules/", "^[^./]"],
      pathNot: [ours, ...Object.keys(packages).map(installed)],
      dependencyTypesNot: ["core", "local"],
    },
  ),
  rule("domain is pure", { path: "^shards/domain/", pathNot: unitTest }, { pathNot: "^shards/" }),
  rule("never back", { path: "^shards/" }, { path: "^app/" }),
  rule(
    "nobody imports tests",
    { path: "^(app|shards|migrations)/", pathNot: unitTest },
    { path: ["^(bench|tests)/", unitTest] },
  ),
  rule("nobody imports the bench", { path: ours, pathNot: "^bench/" }, { path: "^bench/" }),
  rule("no circles", {}, { circular: true }),
];

export default {
  forbidden,
  options: {
    parser: "swc",
    exclude: { path: "^(dist|bench/results)/" },
    doNotFollow: { path: "node_modules" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["bun", "import", "node", "default", "types"],
      extensions: [".ts", ".js", ".mjs", ".json"],
    },
  },
};
