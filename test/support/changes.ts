import { describe, expect, test } from "vitest";
import { repairJson } from "../../src/admin.js";
import { migrate } from "../../src/maintenance/migrate.js";
import { type Finding, type FindingCode, verify } from "../../src/maintenance/verify/verify.js";
import type { Database } from "../../src/model/database.js";
import { OPTIONAL } from "../../src/validation/options.js";
import { emptyDatabase, migratedDatabase, openPostgresJs, rawClient } from "./database.js";

export interface Change {
  change: string;
  errors?: FindingCode[];
  warnings?: FindingCode[];
  notes?: FindingCode[];
  /** What a person does about findings without SQL, after the remedies with SQL. */
  by?: string;
}

export const codesOf = (findings: readonly Finding[]) =>
  findings.map(({ severity, code }) => `${severity} ${code}`);

/** The findings that need something done about them. */
export const problems = (findings: readonly Finding[]) =>
  findings.filter(({ severity }) => severity !== "note");

/** The findings of verify, such as "error index_missing". */
export const verified = async (db: Database) => codesOf(await verify(db));

const open = (url: string) => ({ url, sql: rawClient(url), db: openPostgresJs(url) });
type Open = ReturnType<typeof open>;

/** A migrated database of the test's own, with a client for raw SQL. */
export const migrated = async () => open(await migratedDatabase());

/** A database of the test's own after the SQL, with a client for raw SQL. */
export async function prepared(...statements: string[]): Promise<Open> {
  const opened = open(await emptyDatabase());
  for (const statement of statements) await opened.sql.unsafe(statement);
  return opened;
}

/** Follows the remedies in the order in which they are printed, if they are SQL or a command. */
export async function follow(findings: readonly Finding[], { sql, db }: Open): Promise<void> {
  for (const { severity, remedy, sql: statement } of findings) {
    if (severity === "note") continue;
    if (statement !== undefined) await sql.unsafe(statement);
    for (const one of OPTIONAL)
      if (remedy.includes(`run journey-db migrate --with ${one}`)) await migrate(db, { with: [one] });
    if (remedy.endsWith("run journey-db migrate")) await migrate(db);
    if (remedy.startsWith("journey-db repair-json")) await repairJson(db);
  }
}

/** Declares a test for each change to a migrated database: verify reports it, and its remedies repair it. */
export function onEveryChange(changes: Record<string, Change>): void {
  // The database of the test before, if it is as it was.
  let reused: Open | undefined;

  describe.each(Object.keys(changes))("where %s", (name) => {
    const { change, errors = [], warnings = [], notes = [], by } = changes[name] as Change;

    test("verify says so, changes nothing, and its remedies put it right", async () => {
      const opened = reused ?? (await migrated());
      reused = undefined;
      const { sql, db } = opened;
      await sql`insert into journey_sessions (user_id) values ('user_a'), ('user_b')`;
      await sql.unsafe(change);
      const rows = () => sql`select * from journey_sessions order by created_at, user_id::text`;
      const before = await rows();
      const findings = await verify(db);
      const codes = (severity: string) =>
        findings.filter((finding) => finding.severity === severity).map(({ code }) => code);
      const found = { errors: codes("error"), warnings: codes("warning"), notes: codes("note") };
      expect(found).toEqual({ errors, warnings, notes });
      for (const { severity, sql: statement } of findings)
        if (severity === "note") expect(statement).toBeUndefined();
      expect(await rows()).toEqual(before);
      await follow(findings, opened);
      if (by) await sql.unsafe(by);
      const left = await verify(db);
      expect(problems(left)).toEqual([]);
      await sql`delete from journey_sessions`;
      // The table, three indexes and the trigger's function.
      const [{ objects } = {}] =
        await sql`select (select count(*) from pg_class where relnamespace = 'public'::regnamespace)
        + (select count(*) from pg_proc where pronamespace = 'public'::regnamespace) as objects`;
      if (objects === "5" && left.length === 0) reused = opened;
    });
  });
}
