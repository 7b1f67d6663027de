import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { runIn } from "../support/cli.js";
import { emptyDatabase, rawClient } from "../support/database.js";
import { readDocument } from "../support/markdown.js";
import { programIn, schemaApplication, schemaBlocks } from "../support/schema-page.js";

const folder = schemaApplication();
const url = await emptyDatabase();
const env = { DIRECT_URL: url, DATABASE_URL: url };
const sql = rawClient(url);

const run = programIn(folder);
const answerOf = async (program: string) => {
  const { stdout, stderr } = await run(program, env);
  expect(stderr).toBe("");
  return JSON.parse(stdout);
};

/** Runs the commands of a section in the application. */
async function runSection(name: string) {
  for (const { value } of schemaBlocks.filter(({ lang, section }) => lang === "sh" && section === name)) {
    const ended = await runIn(folder, env, "bash", "-e", "-o", "pipefail", "-c", value);
    expect(ended, value).toMatchObject({ status: 0 });
    expect(ended.stdout).not.toMatch(/^(error|warning)/m);
  }
  expect((await runIn(folder, env, "npx", "drizzle-kit", "generate")).stdout).toContain("No schema changes");
}

describe("docs/schema.md's own tables", { timeout: 120_000 }, () => {
  test("its commands create them with trigger, privileges and storage, and verify finds no error", async () => {
    await runSection("Your own table");
    expect((await runIn(folder, env, "npx", "drizzle-kit", "push")).stdout).toContain("No changes detected");
    const schemas = await sql`select table_schema, table_name from information_schema.tables
      where table_schema in ('app', 'public') order by 1, 2`;
    expect(schemas.map(({ table_schema, table_name }) => `${table_schema}.${table_name}`)).toEqual([
      "app.chats",
      "public.projects",
      "public.reviews",
    ]);
  });

  test("verify compares the columns, and notes the foreign key that keeps sessions", async () => {
    const findings = await answerOf(`import { verify } from "@aigos/journey-db/migrate";
      import { connection } from "./lib/journey";
      import { chats, reviews } from "./lib/schema";
      const { db } = await connection();
      console.log(JSON.stringify([await verify(db, { table: chats }), await verify(db, { table: reviews })]));`);
    expect(findings).toEqual([[expect.objectContaining({ severity: "note", code: "foreign_key" })], []]);
  });

  test("the transaction stores both or none, and relations and joins reach both tables", async () => {
    const result = await answerOf(`import { chatJourney, connection } from "./lib/journey";
      import { chatWithProject, projectNames, startProject } from "./lib/projects";
      const chat = await startProject("user_1", "Plan");
      const failed = await startProject("user_1", null).catch(() => "failed");
      const { db } = await connection();
      const sessions = chatJourney.forUser(db, "user_1");
      console.log(JSON.stringify({
        chat, failed,
        joined: await projectNames("user_1"),
        queried: await chatWithProject("user_1", chat.id),
        other: [await projectNames("user_2"), (await chatWithProject("user_2", chat.id)) ?? null],
        sessions: await sessions.count(),
        found: (await sessions.getBy({ projectId: chat.projectId })).id,
      }));`);
    const { id, projectId } = result.chat;
    expect(result).toMatchObject({
      chat: { orgId: "org_1", pinned: false, draft: null },
      failed: "failed",
      joined: [{ chat: id, project: "Plan" }],
      queried: { id, orgId: "org_1", project: { id: projectId, name: "Plan", mainChatId: id } },
      other: [[], null],
      sessions: 1,
      found: id,
    });
  });

  test("foreign keys: a session that a row references stays, and both directions name the constraint", async () => {
    const result = await answerOf(`import { eq } from "drizzle-orm";
      import { chatJourney, connection } from "./lib/journey";
      import { startProject } from "./lib/projects";
      import { projects } from "./lib/schema";
      const chat = await startProject("user_3", "Plan");
      const { db } = await connection();
      const sessions = chatJourney.forUser(db, "user_3");
      const refusal = ({ code, constraint }) => [code, constraint];
      const deleted = await sessions.delete(chat.id).catch(refusal);
      const all = await sessions.deleteAll().catch(refusal);
      const dangling = await sessions.create({ orgId: "org_1", projectId: crypto.randomUUID() }).catch(refusal);
      const before = await sessions.get(chat.id);
      await db.update(projects).set({ mainChatId: null }).where(eq(projects.id, chat.projectId));
      await db.delete(projects).where(eq(projects.id, chat.projectId));
      const after = await sessions.get(chat.id);
      console.log(JSON.stringify({
        deleted, all, dangling, projectId: after.projectId, newRevision: after.revision > before.revision,
        atLast: await sessions.delete(chat.id),
      }));`);
    const kept = ["conflict", "projects_main_chat_id_chats_id_fk"];
    expect(result).toEqual({
      deleted: kept,
      all: kept,
      dangling: ["conflict", "chats_project_id_projects_id_fk"],
      projectId: null,
      newRevision: true,
      atLast: true,
    });
  });

  test("every call takes and returns the columns, and a jsonb column is checked by the application's schema", async () => {
    const result = await answerOf(`import { chatForm } from "./lib/form";
      import { everyCall } from "./lib/calls";
      import { chatJourney, connection, reviewJourney } from "./lib/journey";
      import { startProject } from "./lib/projects";
      const { projectId } = await startProject("user_5", "Plan");
      const { db } = await connection();
      const refusal = ({ code, message }) => [code, message];
      console.log(JSON.stringify({
        called: await everyCall("user_4", projectId),
        tooLong: await chatJourney.forUser(db, "user_4").create({ orgId: "o", draft: { text: 1 } }).catch(refusal),
        missing: await chatJourney.forUser(db, "user_4").create({}).catch(refusal),
        review: (await reviewJourney.forUser(db, "user_4").create({ runId: "run_1" })).phase,
        form: [chatForm.safeParse({ orgId: "org_1" }).success, chatForm.safeParse({ orgId: "" }).success],
      }));`);
    expect(result).toMatchObject({
      called: { found: ["org_1"], title: "Plan" },
      tooLong: ["invalid_input", expect.stringContaining("session.draft.text")],
      missing: ["invalid_input", expect.stringContaining("session.orgId")],
      review: "open",
      form: [true, false],
    });
  });

  test("the index that the page shows is used, in the order of the list", async () => {
    await sql`insert into app.chats (user_id, org_id) select 'user_9', 'org_' || n % 50 from generate_series(1, 20000) as n`;
    await sql`analyze app.chats`;
    const plan = await sql`explain select id from app.chats where user_id = 'user_9' and org_id = 'org_1'
      order by created_at desc, id desc limit 21`;
    const text = plan.map((row) => row["QUERY PLAN"]).join("\n");
    expect(text).toMatch(/Index (Only )?Scan Backward using chats_user_id_org_id_created_at_id/);
    expect(text).not.toContain("Sort");
  });

  test("the commands of message rows create the second table, and sessions move into it when they are written to", async () => {
    const before = await answerOf(`import { connection, reviewJourney } from "./lib/journey";
      const { db } = await connection();
      const hello = { id: "m1", role: "user", parts: [{ type: "text", text: "Hello" }] };
      const { id } = await reviewJourney.forUser(db, "user_6").create({ runId: "run_6", messages: [hello] });
      console.log(JSON.stringify({ id }));`);
    const config = join(folder, "drizzle.config.ts");
    const [, both = ""] = /`(schema: \[.*?\])`/.exec(readDocument("docs/schema.md")) ?? [];
    writeFileSync(config, readFileSync(config, "utf8").replace(/schema: "[^"]*"/, both));
    await runSection("Message rows");
    const result = await answerOf(`import { verify } from "@aigos/journey-db/migrate";
      import { connection } from "./lib/journey";
      import { reviewMessages } from "./lib/messages";
      import { reviewJourney } from "./lib/review-journey";
      import { reviews } from "./lib/schema";
      const { db } = await connection();
      const sessions = reviewJourney.forUser(db, "user_6");
      const answer = { id: "m2", role: "assistant", parts: [{ type: "text", text: "Hi" }] };
      await sessions.append("${before.id}", answer, { after: "m1" });
      console.log(JSON.stringify({
        findings: await verify(db, { table: reviews }),
        rows: (await db.select({ id: reviewMessages.id }).from(reviewMessages)).map(({ id }) => id).sort(),
        read: (await sessions.getBy({ runId: "run_6" })).messages.map(({ id }) => id),
      }));`);
    expect(result).toEqual({ findings: [], rows: ["m1", "m2"], read: ["m1", "m2"] });
  });

  test("the commands of durable replies create their tables, whose calls work and notify", async () => {
    const config = join(folder, "drizzle.config.ts");
    const [, all = ""] = /`(schema: \[[^`]*replies\.ts"\])`/.exec(readDocument("docs/schema.md")) ?? [];
    writeFileSync(config, readFileSync(config, "utf8").replace(/schema: \[.*?\]/, all));
    await runSection("Durable replies");
    const result = await answerOf(`import { verify } from "@aigos/journey-db/migrate";
      import { connection } from "./lib/journey";
      import { durableJourney } from "./lib/durable-journey";
      import { reviews } from "./lib/schema";
      const { db } = await connection();
      const sessions = durableJourney.forUser(db, "user_7");
      const { id } = await sessions.create({ runId: "run_7" });
      const states = [];
      for await (const { reply } of sessions.watch(id)) {
        states.push(reply?.state ?? null);
        if (states.length === 1) await sessions.replies.start(id, "r1", { messageId: "a1" });
        if (states.length === 2) await sessions.replies.write(id, "r1", { n: 1, chunks: "Hello", state: "ended" });
        if (states.length === 3) break;
      }
      const { chunks } = await sessions.replies.read(id);
      console.log(JSON.stringify({ findings: await verify(db, { table: reviews }), states, chunks }));`);
    expect(result).toEqual({ findings: [], states: [null, "running", null], chunks: "Hello" });
  });

  test("the embedded database has the tables once their migrations are applied", async () => {
    const { stdout } = await run(
      `import { migrateEmbedded } from "./lib/embedded";
      import { startProject } from "./lib/projects";
      await migrateEmbedded();
      console.log((await startProject("user_1", "Plan")).orgId);`,
      {},
    );
    expect(stdout).toBe("org_1\n");
  });

  test("a schema that is not exported is not created: the page says to export it", async () => {
    const name = join(folder, "lib/schema.ts");
    const before = readFileSync(name, "utf8");
    writeFileSync(name, before.replace("export const app", "const app"));
    const options = ["--dialect=postgresql", "--schema=lib/schema.ts", "--out=without"];
    await runIn(folder, env, "npx", "drizzle-kit", "generate", ...options);
    writeFileSync(name, before);
    const [file = ""] = readdirSync(join(folder, "without")).filter((one) => one.endsWith(".sql"));
    const generated = readFileSync(join(folder, "without", file), "utf8");
    expect(generated).toContain('CREATE TABLE "app"."chats"');
    expect(generated).not.toContain("CREATE SCHEMA");
  });
});
