import { sql as drizzleSql } from "drizzle-orm";
import { expect, it } from "vitest";
import { defineJourney } from "../../src/index.js";
import { fromDriver } from "../../src/model/driver-errors.js";
import { citusDatabase } from "../support/citus.js";
import { openNodePostgres, openPostgresJs, rawClient } from "../support/database.js";

const shared = citusDatabase().then((url) => ({ url, sql: rawClient(url), db: openPostgresJs(url) }));
shared.catch(() => {});

/** A session of a user, and raw SQL. */
async function created(user: string) {
  const { db, sql } = await shared;
  const sessions = defineJourney({ distributed: true }).forUser(db, user);
  const { id } = await sessions.create();
  return { sql, sessions, id };
}

/** As calls throw what a driver throws. */
const mapped = (statement: PromiseLike<unknown>) =>
  Promise.resolve(statement).catch((thrown: unknown) => {
    throw fromDriver(thrown, true);
  });

it("a taken id is known, over each driver", async () => {
  const { url } = await shared;
  const { id } = await created("taken");
  for (const db of [openPostgresJs(url), openNodePostgres(url)]) {
    const inserting = db.execute(
      drizzleSql`insert into journey_sessions (user_id, id) values ('taken', ${id}::uuid)`,
    );
    await expect(mapped(inserting)).rejects.toMatchObject({
      code: "conflict",
      constraint: "journey_sessions_pkey",
      sqlState: "23505",
      retryable: true,
      message: "The database returned SQLSTATE 23505: the id is taken.",
    });
  }
});

it("a stored row that breaks a check of the package is corrupt", async () => {
  const { sql, sessions, id } = await created("corrupt");
  const check = "constraint journey_sessions_messages_is_array";
  await sql.unsafe(`alter table journey_sessions drop ${check}`);
  await sql`update journey_sessions set messages = 'null' where user_id = 'corrupt'`;
  await sql.unsafe(
    `alter table journey_sessions add ${check} check (jsonb_typeof(messages) = 'array') not valid`,
  );
  await expect(sessions.setPhase(id, "next")).rejects.toMatchObject({
    code: "corrupt",
    sqlState: "23514",
    constraint: "journey_sessions_messages_is_array",
  });
});

it("a constraint of the application is named", async () => {
  const { sql, sessions, id } = await created("constraint");
  await sql`alter table journey_sessions add constraint no_secret_phase check (phase not like 'secret%')`;
  await sql`alter table journey_sessions add constraint one_phase_each unique (user_id, phase)`;
  const refused = async (constraint: string, sqlState: string, phase: string, of = id) => {
    const error = await sessions.setPhase(of, phase).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "conflict", constraint, sqlState, retryable: false });
    expect(JSON.stringify(error)).not.toContain(phase);
  };
  await refused("no_secret_phase", "23514", "secret-of-a-user");
  await sessions.setPhase(id, "done-of-a-user");
  const other = await sessions.create();
  await refused("one_phase_each", "23505", "done-of-a-user", other.id);
  await sql`alter table journey_sessions drop constraint no_secret_phase`;
  await sql`alter table journey_sessions drop constraint one_phase_each`;
});

it("a column that needs a value is named", async () => {
  const { sql, sessions } = await created("column");
  await sql`alter table journey_sessions add column needed text not null default 'x'`;
  await sql`alter table journey_sessions alter column needed drop default`;
  await expect(sessions.create()).rejects.toMatchObject({
    code: "configuration",
    sqlState: "23502",
    message: expect.stringContaining('column "needed" needs a value'),
  });
  await sql`alter table journey_sessions drop column needed`;
});

it("a delete that a row of the application prevents names its foreign key", async () => {
  const { sql, sessions, id } = await created("kept");
  await sql`create table orders (user_id text, session_id uuid, primary key (user_id, session_id))`;
  await sql`select create_distributed_table('orders', 'user_id', colocate_with => 'journey_sessions')`;
  await sql`alter table orders add constraint orders_session foreign key (user_id, session_id) references journey_sessions (user_id, id)`;
  await sql`insert into orders values ('kept', ${id})`;
  await expect(sessions.delete(id)).rejects.toMatchObject({
    code: "conflict",
    sqlState: "23503",
    constraint: "orders_session",
    message: expect.stringContaining('(constraint "orders_session"); nothing was deleted'),
  });
  await sql`drop table orders`;
});

it("a trigger of the application names nothing, whatever it says", async () => {
  const { sql, sessions, id } = await created("trigger");
  const run = await sql.reserve();
  await run`set citus.enable_unsafe_triggers = on`;
  await run`create function app_refuse() returns trigger language plpgsql as $$ begin
    raise exception 'new row for relation "journey_sessions_102041" violates check constraint "%"', new.phase using errcode = '23514';
  end $$`;
  await run`create trigger app_refuse before update on journey_sessions for each row execute function app_refuse()`;
  const error = await sessions.setPhase(id, "secret").catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "conflict", sqlState: "23514" });
  expect(JSON.stringify(error)).not.toContain("secret");
  await run`drop trigger app_refuse on journey_sessions`;
  run.release();
});
