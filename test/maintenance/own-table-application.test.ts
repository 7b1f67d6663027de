import { readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { verify } from "../../src/maintenance/verify/verify.js";
import type { journeyTable } from "../../src/schema.js";
import { journeyDb, runIn } from "../support/cli.js";
import { emptyDatabase, openPostgresJs, rawClient } from "../support/database.js";
import { newFolder, repository, write } from "../support/packages.js";

const tools = join(repository, "scripts/node_modules");

/** An application with its own drizzle-kit, outside of the repository, with this package's source for the package. */
async function application(schema: string): Promise<string> {
  const folder = newFolder();
  await write(folder, {
    "package.json": { name: "application", private: true, type: "module" },
    "drizzle.config.ts": `export default { dialect: "postgresql", schema: "./schema.ts", out: "./migrations", dbCredentials: { url: process.env.DIRECT_URL } };`,
    "schema.ts": schema.replaceAll("@aigos/journey-db/schema", join(repository, "src/schema.js")),
    "node_modules/.keep": "",
  });
  symlinkSync(join(tools, "drizzle-kit"), join(folder, "node_modules/drizzle-kit"), "junction");
  symlinkSync(
    join(repository, "node_modules/drizzle-orm"),
    join(folder, "node_modules/drizzle-orm"),
    "junction",
  );
  return folder;
}

const SCHEMA = `
import { boolean, index, pgSchema, text } from "drizzle-orm/pg-core";
import { journeyTable } from "@aigos/journey-db/schema";

// Exported, so that drizzle-kit creates the schema.
export const app = pgSchema("app");
export const chats = journeyTable(
  { name: "chats", schema: "app" },
  { orgId: text("org_id").notNull(), pinned: boolean("pinned").default(false).notNull() },
  (t) => [index("chats_org_id").on(t.orgId)],
);
export const drafts = journeyTable("drafts", { title: text("title") });
`;

describe("an application with two tables, one in a schema, and its own drizzle-kit", {
  timeout: 120_000,
}, async () => {
  const folder = await application(SCHEMA);
  const url = await emptyDatabase();
  const db = openPostgresJs(url);
  const kit = async (...args: string[]) => {
    const ended = await runIn(
      folder,
      { DIRECT_URL: url },
      process.execPath,
      join(tools, "drizzle-kit/bin.cjs"),
      ...args,
    );
    expect(ended, args.join(" ")).toMatchObject({ status: 0 });
    return ended.stdout;
  };
  const { chats, drafts } = (await import(join(folder, "schema.ts"))) as Record<
    "chats" | "drafts",
    ReturnType<typeof journeyTable>
  >;

  test("generates tables, indexes, checks, row level security and the schema, and a custom migration for the rest", async () => {
    await kit("generate", "--name=tables");
    for (const [name, ...args] of [["chats", "--schema", "app"], ["drafts"]] as [string, ...string[]][]) {
      await kit("generate", "--custom", `--name=${name}`);
      const { stdout, status } = await journeyDb(folder, {}, "sql", "--table", name, ...args);
      expect(status).toBe(0);
      const [file] = readdirSync(join(folder, "migrations")).filter((one) => one.endsWith(`_${name}.sql`));
      writeFileSync(join(folder, "migrations", file as string), stdout);
    }
    const [tables] = readdirSync(join(folder, "migrations")).filter((one) => one.endsWith("_tables.sql"));
    expect(readFileSync(join(folder, "migrations", tables as string), "utf8")).toContain(
      'CREATE SCHEMA "app"',
    );
    await kit("migrate");
    expect(await kit("generate")).toContain("No schema changes");
    expect(await verify(db, { table: chats })).toEqual([]);
    expect(await verify(db, { table: drafts })).toEqual([]);
  });

  test("finds nothing with the command, which does not know its columns, and what is wrong", async () => {
    const run = (...args: string[]) => journeyDb(folder, {}, "verify", "--url", url, "--strict", ...args);
    expect(await run("--table", "chats", "--schema", "app")).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(
        /^ok +The package's columns, constraints and indexes, .* a row was inserted/,
      ),
    });
    expect(await run("--table", "drafts")).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^ok .*\n$/),
    });
    const sql = rawClient(url);
    await sql`alter table app.chats disable trigger chats_updated_at`;
    const { status, stdout } = await run("--table", "chats", "--schema", "app");
    expect(status).toBe(1);
    expect(stdout).toContain('Remedy: alter table "app"."chats" enable trigger chats_updated_at;');
    expect(await run("--table", "drafts")).toMatchObject({ status: 0 });
    expect(await run("--table", "others", "--schema", "app")).toMatchObject({
      status: 1,
      stdout: expect.stringMatching(
        /^error {4}table_missing: There is no table app\.others\. .*journey-db sql --table others --schema app prints/,
      ),
    });
    expect(await run("--table", "x".repeat(34))).toMatchObject({ status: 2 });
  });
});
