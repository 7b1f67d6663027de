import { configDefaults, defineConfig, type ViteUserConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";
import { installFolder, SCRIPTS, TEST } from "./scripts/install-folder.js";
import { inRows } from "./test/support/layout.js";

// Here, since the types of the tests are checked while they are set up.
for (const folder of [SCRIPTS, TEST]) await installFolder(folder);

/** What has a run of its own. */
const exclude = [
  "test/package/**",
  "test/poolers/**",
  "test/citus/**",
  "test/mutation/**",
  "test/matrix/**",
  ...configDefaults.exclude,
];
/** One PostgreSQL for the run, and a migrated template database that test files clone. */
const globalSetup = "test/support/global-setup.ts";
const setupFiles = "test/support/each-file.ts";

/** Pure functions, and the texts of statements: no server, no other process. */
const UNIT = [
  "test/messages.test.ts",
  "test/admin/exact-json.test.ts",
  "test/ai-sdk/{answer,error-response,for-model,part-chunks,title}.test.ts",
  "test/cli/ndjson.test.ts",
  "test/connection/{database-url,over-postgres-js}.test.ts",
  "test/docs/architecture.test.ts",
  "test/model/{driver-errors,listener,time}.test.ts",
  "test/queries/statements.test.ts",
  "test/validation/json.test.ts",
];

/** What starts programs of ours. */
const PROCESSES = [
  "test/{cli,docs,scripts}/*.test.ts",
  "test/connection/{close,connect,connect-options,embedded,tls}.test.ts",
  "test/hostile/{logs,sizes}.test.ts",
  "test/maintenance/migrate-tools.test.ts",
  "test/performance/imports.test.ts",
];

/** What a handle does, which the project `rows` tests again with messages in rows. */
const IN_BOTH_LAYOUTS = [
  "test/{ai-sdk,crashes,durable-replies,hostile,properties,queries,sessions}/*.test.ts",
  "test/performance/round-trips.test.ts",
];
/** What is about the column, or about no layout. */
const OF_THE_COLUMN = [
  "test/queries/{session-size,text-size,own-values}.test.ts",
  "test/hostile/{logs,sizes}.test.ts",
  "test/durable-replies/{costs,every-call,hostile,replies,watch}.test.ts",
  "test/poolers/migrate.test.ts",
  "test/crashes/{failover,reply-crash}.test.ts",
  "test/ai-sdk/durable-routes.test.ts",
];
/** A project whose tests need the server. */
const ofServer = { globalSetup, setupFiles, isolate: false };

/** The suites that a cluster passes too. */
const ON_A_CLUSTER = [
  "test/{queries,sessions,durable-replies,properties}/*.test.ts",
  "test/crashes/{client-crash,ambiguous-outcome}.test.ts",
];
/** What is about the plans, the text or the locks of one server, about its foreign keys, or about notifications. */
const OF_ONE_SERVER = [
  "test/queries/{deep-merge,one-statement,owner,reindex,session-settings,text-size,unique-index,volatility}.test.ts",
  "test/sessions/foreign-keys.test.ts",
  "test/durable-replies/watch.test.ts",
];
const ofCluster = {
  globalSetup: "test/support/citus-setup.ts",
  setupFiles,
  isolate: false,
  env: { CITUS: "1" },
};

/** The files that take longest come first, since the run is over when the last of them is; in this order. */
const FIRST = [
  // Before others have asked for a hundred shapes of a statement: more are not prepared.
  "performance/round-trips",
  "connection/embedded",
  "crashes/reply-crash",
  "durable-replies/",
  "ai-sdk/durable",
  "ai-sdk/interrupted-answers",
  "docs/docs-commands",
  "cli/commands",
  "cli/",
  "docs/",
  "scripts/",
  "hostile/",
  "connection/",
];

/** What is known of the last run comes after that: a fresh clone knows nothing. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]) {
    const placeOf = ({ moduleId }: TestSpecification) => {
      const place = FIRST.findIndex((name) => moduleId.includes(`/test/${name}`));
      return place === -1 ? FIRST.length : place;
    };
    return (await super.sort(files)).sort((a, b) => placeOf(a) - placeOf(b));
  }
}

/** The runs that have a mode of their own: `vitest run --mode long`. */
const MODES: Record<string, Partial<ViteUserConfig["test"]>> = {
  /** The long forms of the tests that have one. */
  long: {
    include: [
      "test/properties/*.test.ts",
      "test/sessions/mixed-load.test.ts",
      "test/queries/reindex.test.ts",
      "test/crashes/{client-crash,failover,reply-crash,server-crash}.test.ts",
      "test/hostile/{boundary,fuzz,round-trip,sizes}.test.ts",
      "test/cli/memory.test.ts",
      "test/ai-sdk/interrupted-answers.test.ts",
    ],
    env: { LONG: "1" },
    testTimeout: 3_600_000,
  },
  /** The suites of the queries and of the admin calls through pgbouncer, and what concerns poolers alone. */
  pooler: {
    projects: [
      {
        extends: true,
        test: {
          ...ofServer,
          name: "pooler",
          include: ["test/{queries,admin,poolers}/*.test.ts", "test/durable-replies/every-call.test.ts"],
          exclude: [
            // Its transactions hold more connections than a pooler of two has.
            "test/admin/convert-layout-concurrency.test.ts",
            // No statement of theirs is of another kind.
            "test/queries/{deep-merge,own-values,owner,volatility}.test.ts",
            ...configDefaults.exclude,
          ],
          env: { POOLER: "1" },
        },
      },
      {
        extends: true,
        plugins: [inRows],
        test: {
          ...ofServer,
          name: "pooler, rows",
          // Those that concern no message, or own columns, are of the other project.
          include: [
            "test/poolers/*.test.ts",
            "test/durable-replies/every-call.test.ts",
            "test/queries/{append,content,export,reads,revision,scope,search,writes}.test.ts",
          ],
          exclude: [...UNIT, ...OF_THE_COLUMN, ...configDefaults.exclude],
          env: { POOLER: "1", LAYOUT: "rows" },
        },
      },
    ],
  },
  /** What a handle and the maintenance do on a cluster of Citus, which CITUS_URL names. */
  citus: {
    projects: [
      {
        extends: true,
        test: {
          ...ofCluster,
          name: "citus",
          include: ["test/citus/*.test.ts", ...ON_A_CLUSTER],
          exclude: [...UNIT, ...OF_ONE_SERVER, ...configDefaults.exclude],
        },
      },
      {
        extends: true,
        plugins: [inRows],
        test: {
          ...ofCluster,
          name: "citus, rows",
          include: ON_A_CLUSTER,
          exclude: [...UNIT, ...OF_THE_COLUMN, ...OF_ONE_SERVER, ...configDefaults.exclude],
          env: { ...ofCluster.env, LAYOUT: "rows" },
        },
      },
    ],
  },
  /** The tarball and the workspace package, as npm and bundlers install and build them. */
  package: { include: ["test/package/*.test.ts"], isolate: false },
};

export default defineConfig(({ mode }) => ({
  test: {
    // By default one core is left idle, which on two cores would run one file at a time.
    maxWorkers: "100%",
    sequence: { sequencer: LongestFirst },
    allowOnly: false,
    // Long, since the machine may be busy: they end a test that hangs.
    testTimeout: 90_000,
    hookTimeout: 90_000,
    expect: { poll: { timeout: 15_000 } },
    ...(MODES[mode]
      ? { globalSetup, setupFiles, ...MODES[mode] }
      : {
          projects: [
            { extends: true, test: { name: "unit", include: UNIT, isolate: false } },
            {
              extends: true,
              test: {
                name: "database",
                include: ["test/**/*.test.ts"],
                exclude: [...UNIT, ...PROCESSES, ...exclude],
                ...ofServer,
              },
            },
            {
              extends: true,
              test: {
                name: "processes",
                include: PROCESSES,
                exclude: [...UNIT, ...exclude],
                ...ofServer,
              },
            },
            {
              extends: true,
              plugins: [inRows],
              test: {
                name: "rows",
                include: IN_BOTH_LAYOUTS,
                exclude: [...UNIT, ...OF_THE_COLUMN, ...exclude],
                ...ofServer,
                env: { LAYOUT: "rows" },
              },
            },
            {
              extends: true,
              test: {
                name: "types",
                include: [],
                // Reads every *.test-d.ts. A type error anywhere else in tsconfig.json fails the run too.
                typecheck: {
                  enabled: true,
                  only: true,
                  include: ["test/**/*.test-d.ts"],
                  tsconfig: "tsconfig.json",
                },
              },
            },
          ],
        }),
  },
}));
