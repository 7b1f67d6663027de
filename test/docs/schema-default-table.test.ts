import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { forUser } from "../../src/index.js";
import { migrate } from "../../src/maintenance/migrate.js";
import { verify } from "../../src/maintenance/verify/verify.js";
import { runIn } from "../support/cli.js";
import { emptyDatabase, newUser, openPostgresJs, rawClient } from "../support/database.js";
import { readDocument } from "../support/markdown.js";
import { programIn, schemaApplication } from "../support/schema-page.js";

const folder = schemaApplication();
const config = readFileSync(join(folder, "drizzle.config.ts"), "utf8");
const [, tablesFilter = ""] = /`(tablesFilter: .*?)`/.exec(readDocument("docs/schema.md")) ?? [];
writeFileSync(
  join(folder, "drizzle.config.ts"),
  config.replace("./lib/schema.ts", "./lib/notes.ts").replace(/schemaFilter: .*/, `${tablesFilter},`),
);

describe("docs/schema.md's tables beside the default table", { timeout: 120_000 }, async () => {
  const url = await emptyDatabase();
  const sql = rawClient(url);
  const db = openPostgresJs(url);
  await migrate(db);
  const drizzleKit = async (...args: string[]) => {
    const ended = await runIn(folder, { DIRECT_URL: url }, "npx", "drizzle-kit", ...args);
    expect(ended, args.join(" ")).toMatchObject({ status: 0 });
    return ended.stdout;
  };

  test("generate creates them with their foreign key, and nothing of journey_sessions", async () => {
    await drizzleKit("generate");
    const [file] = readdirSync(join(folder, "migrations")).filter((name) => name.endsWith(".sql"));
    const generated = readFileSync(join(folder, "migrations", file as string), "utf8");
    expect(generated.match(/(CREATE|ALTER) \w+ "\w+"/g)).toEqual([
      'CREATE TABLE "notes"',
      'ALTER TABLE "notes"',
    ]);
    expect(generated).toMatch(/REFERENCES "public"\."journey_sessions"\("id"\) ON DELETE cascade/);
    expect(await drizzleKit("generate")).toContain("No schema changes");
  });

  test("migrate and push leave the table alone, and pull does not write it", async () => {
    await drizzleKit("migrate");
    expect(await drizzleKit("push")).toContain("No changes detected");
    await drizzleKit(
      "pull",
      "--dialect=postgresql",
      `--url=${url}`,
      "--tablesFilter=!journey_sessions",
      "--out=pulled",
    );
    const pulled = readFileSync(join(folder, "pulled/schema.ts"), "utf8");
    expect(pulled.match(/pgTable\("\w+"/g)).toEqual(['pgTable("notes"']);
    expect(await verify(db)).toEqual([]);
  });

  test("db.query of connect({ schema }) reaches the sessions' notes, and notes go with their session", async () => {
    const userId = newUser();
    const { id } = await forUser(db, userId).create();
    await forUser(db, userId).create();
    await sql`insert into notes (session_id, note) values (${id}, 'first')`;
    const program = `import { withNotes } from "./lib/with-notes";
      console.log(JSON.stringify([await withNotes("${userId}", "${id}"), (await withNotes("other", "${id}")) ?? null]));`;
    const { stdout, stderr } = await programIn(folder)(program, { DATABASE_URL: url });
    expect(stderr).toBe("");
    const note = { sessionId: id, note: "first" };
    expect(JSON.parse(stdout)).toMatchObject([{ id, phase: "setup", notes: [note] }, null]);
    expect(await forUser(db, userId).deleteAll()).toBe(2);
    expect(await sql`select from notes`).toHaveLength(0);
  });
});
