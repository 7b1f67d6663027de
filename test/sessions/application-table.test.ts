/**
 * The table of an application that had it before this package: the columns that it added, with what belongs to them, and
 * rows. It declares them, and every call works; nothing of it is changed.
 */
import { randomUUID } from "node:crypto";
import { getTableColumns } from "drizzle-orm";
import { jsonb, text, unique, uuid } from "drizzle-orm/pg-core";
import { expect, it } from "vitest";
import * as z from "zod";
import { prune } from "../../src/admin.js";
import { defineJourney } from "../../src/index.js";
import { migrate } from "../../src/maintenance/migrate.js";
import { journeySessions, journeyTable } from "../../src/schema.js";
import { all } from "../support/answer.js";
import { emptyDatabase, newUser, openPostgresJs, rawClient } from "../support/database.js";
import { IN_ROWS } from "../support/layout.js";
import { text as message } from "../support/messages.js";
import { OLD_TABLE } from "../support/old-table.js";

interface KeyResults {
  goals: { name: string; done: boolean }[];
}
const keyResults = z.object({ goals: z.array(z.object({ name: z.string(), done: z.boolean() })) });

const table = journeyTable(
  "journey_sessions",
  {
    runId: text("run_id").notNull(),
    profileId: uuid("profile_id"),
    researchResults: jsonb("research_results").$type<{ sources: string[] }>(),
    jobStatus: jsonb("job_status").$type<Record<string, string>>(),
    onboardingData: jsonb("onboarding_data"),
    keyResults: jsonb("key_results").$type<KeyResults>(),
  },
  (t) => [unique("journey_sessions_user_id_run_id_key").on(t.userId, t.runId)],
);
const journey = defineJourney({ table, columns: { keyResults }, phases: ["setup", "review"] });

/** What the migrations add to the table. */
const OURS = Object.values(getTableColumns(journeySessions)).map(({ name }) => name);

const LATER = `
  create table profiles (id uuid primary key default gen_random_uuid(), name text not null);
  alter table journey_sessions
    add column run_id text not null default 'old', add column profile_id uuid references profiles (id) on delete set null,
    add column research_results jsonb, add column job_status jsonb default '{"state": "none"}', add column onboarding_data jsonb,
    add column key_results jsonb, add constraint journey_sessions_user_id_run_id_key unique (user_id, run_id);
  alter table journey_sessions alter column run_id drop default;
  create table steps (id serial primary key, session_id uuid not null references journey_sessions (id));
  alter table journey_sessions enable row level security;
  create policy select_own on journey_sessions for select using (user_id = current_setting('app.user', true));
  create policy insert_own on journey_sessions for insert with check (user_id = current_setting('app.user', true));
  create policy update_own on journey_sessions for update using (user_id = current_setting('app.user', true));
  create policy delete_own on journey_sessions for delete using (user_id = current_setting('app.user', true));`;

it("works in full once its columns are declared", async () => {
  const url = await emptyDatabase();
  const sql = rawClient(url);
  await sql.unsafe(OLD_TABLE);
  await sql.unsafe(`insert into journey_sessions (user_id) values ('user_old')`);
  await sql.unsafe(LATER);
  const policies = () =>
    sql`select * from pg_policies where tablename = 'journey_sessions' order by policyname`;
  const columns = () =>
    sql`select column_name, column_default, is_nullable, data_type from information_schema.columns
      where table_name = 'journey_sessions' and not column_name = any (${OURS}) order by 1`;
  const constraints = () =>
    sql`select conname, pg_get_constraintdef(oid) as definition from pg_constraint
      where (conrelid = 'journey_sessions'::regclass and contype in ('f', 'u')) or conrelid = 'steps'::regclass order by 1`;
  const own = async () => ({
    policies: await policies(),
    columns: await columns(),
    constraints: await constraints(),
  });
  const before = await own();
  const db = openPostgresJs(url);
  await migrate(db, { with: IN_ROWS ? ["message-rows"] : [] });
  expect(await own()).toEqual(before);

  const [profile] = await sql`insert into profiles (name) values ('Ada') returning id`;
  const owner = newUser();
  const sessions = journey.forUser(db, owner);
  const stranger = journey.forUser(db, newUser());
  expect(await journey.forUser(db, "user_old").latest()).toMatchObject({
    runId: "old",
    jobStatus: { state: "none" },
  });

  const id = randomUUID();
  const create = { runId: "run_1", profileId: profile?.id, metadata: { title: "Plan" } };
  expect(await sessions.append(id, message("m1"), { create })).toMatchObject({ created: true });
  expect(await sessions.getBy({ runId: "run_1" })).toMatchObject({
    id,
    profileId: profile?.id,
    jobStatus: { state: "none" },
    metadata: { title: "Plan" },
  });
  expect(await stranger.getBy({ runId: "run_1" })).toBeNull();
  // Another user's run of the same name is another session.
  await stranger.create({ runId: "run_1" });
  await expect(sessions.create({ runId: "run_1" })).rejects.toMatchObject({
    code: "conflict",
    constraint: "journey_sessions_user_id_run_id_key",
  });
  await expect(sessions.create({ runId: "run_2", profileId: randomUUID() })).rejects.toMatchObject({
    code: "conflict",
    constraint: "journey_sessions_profile_id_fkey",
  });
  await expect(sessions.fork(id)).rejects.toMatchObject({ code: "conflict" });
  const fork = await sessions.fork(id, { set: { runId: "run_3" } });
  expect(fork).toMatchObject({ runId: "run_3", profileId: profile?.id, messages: [message("m1")] });

  const results = { goals: [{ name: "Ship", done: false }] };
  await sessions.update(id, { keyResults: results, jobStatus: { state: "running" }, phase: "review" });
  await expect(sessions.update(id, { keyResults: { goals: [{ name: 1 }] } as never })).rejects.toMatchObject({
    code: "invalid_input",
    message: "changes.keyResults.goals[0].name: expected string",
  });
  await expect(sessions.create({} as never)).rejects.toMatchObject({
    code: "invalid_input",
    message: "session.runId: expected string",
  });
  const page = await sessions.list({ where: { runId: ["run_1", "run_9"], profileId: profile?.id } });
  expect(page.sessions).toMatchObject([
    { id, keyResults: results, jobStatus: { state: "running" }, phase: "review" },
  ]);
  expect((await sessions.list({ where: { keyResults: null } })).sessions.map((one) => one.id)).toEqual([
    fork.id,
  ]);
  expect(await all(sessions.export())).toMatchObject([{ runId: "run_1" }, { runId: "run_3" }]);
  expect((await sessions.messages(id)).session).toMatchObject({ runId: "run_1" });
  expect((await sessions.search("text of m1"))[0]?.session.runId).toBe("run_3");

  await sql`insert into steps (session_id) values (${id})`;
  const kept = { code: "conflict", constraint: "steps_session_id_fkey" };
  await expect(sessions.delete(id)).rejects.toMatchObject(kept);
  await expect(sessions.deleteAll()).rejects.toMatchObject(kept);
  await sql`update journey_sessions set updated_at = now() - interval '1 day'`;
  await sql`alter table journey_sessions disable trigger journey_sessions_updated_at`;
  await sql`update journey_sessions set updated_at = now() - interval '1 day'`;
  await sql`alter table journey_sessions enable trigger journey_sessions_updated_at`;
  expect(await prune(db, { inactiveFor: "12h" })).toEqual({
    sessions: 3,
    left: { sessions: 1, constraints: ["steps_session_id_fkey"] },
  });
  await sql`delete from steps`;
  expect(await sessions.deleteAll()).toBe(1);
});
