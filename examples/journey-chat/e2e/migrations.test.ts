import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { verify } from "@aigos/journey-db/migrate";
import { expect, test } from "vitest";
import { emptyDatabase, openPostgresJs, rawClient } from "../../../test/support/database.js";
import { journeySessions } from "../db/schema.js";
import { BUILT, COPIES, migrate } from "./support/next.js";
import { store } from "./support/rows.js";

const DRIZZLE_KIT = join(BUILT, "node_modules/drizzle-kit/bin.cjs");

test("the migrations make the declared table, of nothing and of a table with sessions", async () => {
  const url = await emptyDatabase();
  const [sql, db] = [rawClient(url), openPostgresJs(url)];
  await migrate(url);
  expect(await verify(db, { table: journeySessions })).toEqual([]);
  // As the package alone makes it, with a session.
  await sql`alter table journey_sessions drop column pinned, drop column archived`;
  await sql`drop table drizzle.__drizzle_migrations`;
  await sql`insert into journey_sessions (user_id) values ('user_ada')`;
  await migrate(url);
  expect(await verify(db, { table: journeySessions })).toEqual([]);
  expect(await sql`select pinned, archived from journey_sessions`).toEqual([
    { pinned: false, archived: false },
  ]);
  await store(sql, { pinned: true });
  await migrate(url);
  expect(await sql`select count(*)::int from journey_sessions where pinned`).toEqual([{ count: 1 }]);
});

test("drizzle-kit finds nothing in the schema that the migrations lack", () => {
  const folder = mkdtempSync(join(COPIES, "drizzle-"));
  try {
    const out = join(folder, "drizzle");
    cpSync(join(BUILT, "drizzle"), out, { recursive: true });
    const before = readdirSync(out);
    const options = ["--dialect=postgresql", "--schema=./db/schema.ts", `--out=./${relative(BUILT, out)}`];
    const said = execFileSync(process.execPath, [DRIZZLE_KIT, "generate", ...options], {
      cwd: BUILT,
      encoding: "utf8",
    });
    expect(said).toContain("No schema changes");
    expect(readdirSync(out)).toEqual(before);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
