import { readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { runIn } from "../support/cli.js";
import { emptyDatabase, rawClient } from "../support/database.js";
import { copyRepository, newFolder, repository } from "../support/packages.js";

/** A copy of the repository, with the packages that are installed in it. */
async function copied(): Promise<string> {
  const folder = join(newFolder(), "journey-db");
  await copyRepository(folder);
  for (const modules of ["node_modules", "scripts/node_modules"])
    await symlink(join(repository, modules), join(folder, modules), "junction");
  return folder;
}

/** Columns in the middle of those of the package, and at the end. */
const MIDDLE = `orgId: text("org_id"),
  pinned: boolean("pinned").default(false).notNull(),
  kind: kind("kind").default("chat").notNull(),`;
const END = `runId: text("run_id").notNull(),
  shout: text("shout").generatedAlwaysAs(sql\`upper(user_id)\`),
  amount: numeric("amount", { precision: 10, scale: 2 }),`;

async function declareColumns(folder: string): Promise<void> {
  const file = join(folder, "src/schema.ts");
  const source = await readFile(file, "utf8");
  const edited = source
    .replace(/^ {2}check,$/m, "  boolean,\n  check,\n  numeric,\n  pgEnum,")
    .replace(
      /^(\/\*\* The columns of every table of sessions)/m,
      `export const kind = pgEnum("kind", ["chat", "note"]);\n\n$1`,
    )
    .replace(/^( {2}messages: jsonb.*)$/m, `  ${MIDDLE}\n$1`)
    .replace(/^( {2}updatedAt: timestamp.*)$/m, `$1\n  ${END}`)
    .replace(
      'journeyTable("journey_sessions");',
      'journeyTable("journey_sessions", { label: text("label") }, (t) => [index("journey_sessions_label").on(t.userId, t.label)]);',
    );
  for (const part of ["pgEnum(", MIDDLE, END, "label:"]) expect(edited).toContain(part);
  await writeFile(file, edited);
}

describe("columns that are declared in src/schema.ts, in the middle and at the end", {
  timeout: 240_000,
}, async () => {
  const folder = await copied();
  await declareColumns(folder);
  const url = await emptyDatabase();
  const sql = rawClient(url);
  const npm = (...args: string[]) => runIn(folder, { DATABASE_URL: url }, "npm", "run", "--silent", ...args);
  const done = { status: 0 };

  test("are generated, migrated and verified without a finding", async () => {
    expect(await npm("migrate")).toMatchObject(done);
    expect(await npm("generate", "--", "--name=own_columns")).toMatchObject(done);
    // Before they are migrated, each remedy is to migrate.
    const before = await npm("verify");
    expect(before.status).toBe(1);
    const missing = before.stdout.match(/^error {4}column_missing: .*$/gm);
    expect(missing).toHaveLength(7);
    for (const line of missing ?? []) expect(line).toMatch(/Remedy: run journey-db migrate\.$/);
    expect(await npm("migrate")).toMatchObject({ ...done, stdout: expect.stringContaining("own_columns") });
    expect(await npm("verify", "--", "--strict")).toMatchObject({
      ...done,
      stdout: expect.stringMatching(/^ok .*\n$/),
    });
    const columns =
      await sql`select column_name from information_schema.columns where table_name = 'journey_sessions'`;
    expect(columns).toHaveLength(14);
  });

  test("are part of what verify repairs, without a migration that runs again", async () => {
    await sql.unsafe(`drop trigger journey_sessions_updated_at on journey_sessions; drop index idx_journey_sessions_user_id;
      drop index journey_sessions_label; alter table journey_sessions alter pinned drop default`);
    const { status, stdout } = await npm("verify", "--", "--json");
    expect(status).toBe(1);
    for (const finding of JSON.parse(stdout).findings) await sql.unsafe(finding.sql ?? "");
    expect(await npm("verify", "--", "--strict")).toMatchObject({
      ...done,
      stdout: expect.stringMatching(/^ok .*\n$/),
    });
    expect(await npm("migrate")).toMatchObject({ ...done, stdout: "Nothing to apply.\n" });
  });

  test("are created with a table that is gone", async () => {
    await sql`drop table journey_sessions`;
    await sql`drop type kind`;
    const { stdout } = await npm("verify", "--", "--json");
    const [missing] = JSON.parse(stdout).findings;
    expect(missing).toMatchObject({ code: "table_missing" });
    await sql.unsafe(missing.sql);
    expect(await npm("migrate")).toMatchObject(done);
    expect(await npm("verify", "--", "--strict")).toMatchObject(done);
  });

  test("that are NOT NULL without a default cannot be added to rows, which verify and migrate say", async () => {
    await sql`insert into journey_sessions (user_id, run_id) values ('user_a', 'a')`;
    const file = join(folder, "src/schema.ts");
    await writeFile(
      file,
      (await readFile(file, "utf8")).replace(
        'label: text("label")',
        'label: text("label"), must: text("must").notNull()',
      ),
    );
    expect(await npm("generate", "--", "--name=must")).toMatchObject(done);
    expect(await npm("migrate")).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(
        /23502.*needs a default, or add it as nullable, fill it, and generate again/,
      ),
    });
    const { stdout } = await npm("verify");
    expect(stdout).toMatch(
      /^error {4}column_missing: .*must.* Remedy: give the column a default, or declare it without notNull\(\), and generate/m,
    );
  });
});
