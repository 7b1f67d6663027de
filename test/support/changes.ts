import { describe, expect, test } from "vitest";
import { repairJson } from "../../src/admin.js";
import { migrate } from "../../src/maintenance/migrate.js";
import { type Finding, type FindingCode, verify } from "../../src/maintenance/verify/verify.js";
import { migratedDatabase, openPostgresJs, rawClient } from "./database.js";

export interface Change {
  change: string;
  errors?: FindingCode[];
  warnings?: FindingCode[];
}

/** Does what remedies say, one after the other as they are printed, as far as it is SQL or a command. */
export async function follow(findings: Finding[], url: string): Promise<void> {
  const [sql, db] = [rawClient(url), openPostgresJs(url)];
  for (const { remedy, sql: statement } of findings) {
    if (statement !== undefined) await sql.unsafe(statement);
    if (remedy.endsWith("run journey-db migrate")) await migrate(db);
    if (remedy.startsWith("journey-db repair-json")) await repairJson(db);
  }
}

/** Declares a test for each change to a migrated database: what verify says of it, and that its remedies help. */
export function onEveryChange(changes: Record<string, Change>): void {
  describe.each(Object.keys(changes))("where %s", (name) => {
    const { change, errors = [], warnings = [] } = changes[name] as Change;

    test("verify says so, changes nothing, and its remedies put it right", async () => {
      const url = await migratedDatabase();
      const db = openPostgresJs(url);
      const sql = rawClient(url);
      await sql`insert into journey_sessions (user_id) values ('user_a'), ('user_b')`;
      await sql.unsafe(change);
      const rows = () => sql`select * from journey_sessions order by created_at, user_id::text`;
      const before = await rows();
      const findings = await verify(db);
      const codes = (severity: string) =>
        findings.filter((finding) => finding.severity === severity).map(({ code }) => code);
      expect({ errors: codes("error"), warnings: codes("warning") }).toEqual({ errors, warnings });
      expect(await rows()).toEqual(before);
      await follow(findings, url);
      expect(await verify(db)).toEqual([]);
    });
  });
}
