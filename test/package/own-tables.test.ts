import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { forUser } from "../../src/index.js";
import { migrate } from "../../src/maintenance/migrate.js";
import { verify } from "../../src/maintenance/verify/verify.js";
import { runIn } from "../support/cli.js";
import { emptyDatabase, newUser, openPostgresJs, rawClient } from "../support/database.js";
import { blocksOf, readDocument } from "../support/markdown.js";
import { repository } from "../support/packages.js";

const tools = join(repository, "scripts/node_modules");
const kit = join(tools, "drizzle-kit/bin.cjs");
const tsx = join(tools, "tsx/dist/cli.mjs");

/** The files of the section of docs/drivers.md, in an application that has this package's source for the package. */
function application(): string {
  mkdirSync(join(repository, ".cache"), { recursive: true });
  const folder = mkdtempSync(join(repository, ".cache/own-tables-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  // Its configuration imports it.
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(join(tools, "drizzle-kit"), join(folder, "node_modules/drizzle-kit"));
  const blocks = blocksOf(readDocument("docs/drivers.md")).filter(
    ({ section }) => section === "Tables of your own",
  );
  for (const { value } of blocks) {
    const name = /^\/\/ (\S+)/.exec(value)?.[1] as string;
    const source = join(repository, "src/schema-zod.js");
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), value.replace("@aigos/journey-db/schema", source));
  }
  return folder;
}

describe("docs/drivers.md's tables of an application's own", { timeout: 120_000 }, async () => {
  const folder = application();
  const url = await emptyDatabase();
  const sql = rawClient(url);
  const db = openPostgresJs(url);
  await migrate(db);
  const drizzleKit = async (...args: string[]) => {
    const ended = await runIn(folder, { DIRECT_URL: url }, process.execPath, kit, ...args);
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

  test("relations and joins reach the sessions, and notes go with their session", async () => {
    const userId = newUser();
    const { id } = await forUser(db, userId).create();
    await forUser(db, userId).create();
    await sql`insert into notes (session_id, note) values (${id}, 'first')`;
    const program = `import { notesOf, withNotes } from "./lib/notes.ts";
      console.log(JSON.stringify([await withNotes("${userId}", "${id}"), await notesOf("${userId}"), await notesOf("other")]));
      process.exit();`;
    writeFileSync(join(folder, "program.mts"), program);
    const { stdout, stderr } = await runIn(
      folder,
      { DATABASE_URL: url },
      process.execPath,
      tsx,
      "program.mts",
    );
    expect(stderr).toBe("");
    const note = { sessionId: id, note: "first" };
    expect(JSON.parse(stdout)).toMatchObject([{ id, phase: "setup", notes: [note] }, [note], []]);
    expect(await forUser(db, userId).deleteAll()).toBe(2);
    expect(await sql`select from notes`).toHaveLength(0);
  });
});
