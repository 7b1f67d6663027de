import type { Known } from "./suite.js";

/** One run of the tests: on the current Node.js and the tests' own PostgreSQL and Drizzle, unless it says otherwise. */
export interface Row {
  name: string;
  tests: string;
  options: string[];
  known: readonly Known[];
  /** Folders below this folder's node_modules. */
  postgres?: string;
  node?: string;
  drizzle1?: true;
}

/** Files about the package's build and documents, its programs, its process and the embedded database. */
const LEFT_OUT = `architecture cli* close connect* database-url demo docs* driver-errors embedded hostile/{boundary,canary,logs,options,sizes}
  json ndjson package performance/imports readme studio unreachable workspace`;
const exclude = LEFT_OUT.split(/\s+/).map((file) => `--exclude=test/${file}.test.ts`);

const ON_POSTGRES_14: readonly Known[] = [
  {
    file: "test/",
    error: /pg_stat_force_next_flush/,
    why: "PostgreSQL 14 cannot be made to report its counts at once (pg_stat_force_next_flush), which these tests compare",
  },
  {
    file: "test/verify-losses.test.ts",
    error: /security_invoker/,
    why: "PostgreSQL 14 has no views that run with the caller's rights (security_invoker)",
  },
];

const ON_DRIZZLE_1: readonly Known[] = [
  {
    file: "test/queries/statements.test.ts",
    error: /Snapshot `.* sends this text 1` mismatched/,
    why: "1.0 puts conditions in brackets and writes some columns with their table; the texts on record are those of 0.45",
  },
];

export const ROWS: readonly Row[] = [
  ...[14, 15, 16, 17].map((major) => ({
    name: `postgres${major}`,
    tests: "on the server",
    options: ["--typecheck.enabled=false", ...exclude],
    known: major === 14 ? ON_POSTGRES_14 : [],
    postgres: `postgres${major}/native/bin`,
  })),
  ...[20, 22, 24].map((major) => ({
    name: `node${major}`,
    tests: "all",
    options: [],
    known: [],
    node: `node${major}/bin/node`,
  })),
  {
    name: "drizzle1",
    tests: "types, on the server",
    options: exclude,
    known: ON_DRIZZLE_1,
    drizzle1: true,
  },
];
