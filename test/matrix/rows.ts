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

const ON_POSTGRES_14: readonly Known[] = [
  {
    file: "test/",
    error: /pg_stat_force_next_flush/,
    why: "PostgreSQL 14 cannot be made to report its counts at once (pg_stat_force_next_flush), which these tests compare",
  },
  {
    file: "test/maintenance/verify.test.ts",
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
    options: ["--project=database"],
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
    options: ["--project=types", "--project=database"],
    known: ON_DRIZZLE_1,
    drizzle1: true,
  },
];
