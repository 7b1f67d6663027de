import { integer, pgTable, text, uuid } from "drizzle-orm/pg-core";
import { describe, expect, test } from "vitest";
import { tableSql } from "../../src/maintenance/table-sql.js";
import { verify } from "../../src/maintenance/verify/verify.js";
import { type JourneyTable, journeyTable } from "../../src/schema.js";
import { codesOf, follow, migrated, prepared, problems } from "../support/changes.js";
import { journeyDb, temporaryFolder } from "../support/cli.js";
import { onServer, openPostgresJs } from "../support/database.js";
import { generated } from "../support/drizzle-kit.js";
import { newRole } from "../support/roles.js";

async function made(tables: Record<string, unknown> & { table: JourneyTable }, ...statements: string[]) {
  const opened = await prepared();
  for (const statement of [...(await generated(tables)), ...tableSql(tables.table), ...statements])
    await opened.sql.unsafe(statement);
  return opened;
}

const raising = (name: string, timing: string, body: string) =>
  `create function ${name}() returns trigger language plpgsql as $$ begin ${body}; return new; end $$;
  create trigger ${name} ${timing} on journey_sessions for each row execute function ${name}()`;

describe("an object of the application that refuses the row of the probe is a note", () => {
  test.each([
    [
      "a foreign key on user_id",
      "create table users (id text primary key); alter table journey_sessions add constraint of_user foreign key (user_id) references users",
      "constraint of_user refuses",
    ],
    [
      "a check on user_id",
      "alter table journey_sessions add constraint is_user check (user_id like 'user%')",
      "constraint is_user refuses",
    ],
    [
      "a unique constraint",
      "insert into journey_sessions (user_id) values ('user_a'); alter table journey_sessions add constraint one_phase unique (phase)",
      "constraint one_phase refuses",
    ],
    [
      "a trigger that raises an error",
      raising("known_user", "before insert", "raise 'no such user'"),
      "trigger known_user refuses",
    ],
    [
      "a trigger that fails",
      raising("looks_up", "after insert", "perform 1 / 0"),
      "trigger looks_up refuses",
    ],
  ])("%s", async (_, change, says) => {
    const { db, sql, url } = await migrated();
    await sql.unsafe(change);
    const found = await verify(db);
    expect(problems(found)).toEqual([]);
    const [note, ...more] = found.filter(({ code }) => code === "unchecked");
    expect(note?.message).toBe(`Inserting was not tried to the end: ${says} the row that verify inserts.`);
    expect(more).toEqual([]);
    const { stdout, status } = await journeyDb(
      await temporaryFolder(),
      {},
      "verify",
      "--url",
      url,
      "--strict",
    );
    expect(status).toBe(0);
    expect(stdout).toContain("no row could be inserted");
    expect(stdout).not.toContain("a row was inserted");
  });

  test("a check of a sample, and a referenced table that the role may not read", async () => {
    const owners = pgTable("owners", { id: uuid("id").primaryKey() });
    const table = journeyTable("journey_sessions", {
      nr: integer("nr").notNull(),
      ownerId: uuid("owner_id")
        .references(() => owners.id, { onDelete: "cascade" })
        .notNull(),
    });
    const { role, as } = await newRole();
    await onServer(`alter role ${role} bypassrls`);
    const { url, sql } = await made(
      { owners, table },
      `grant select, insert, update, delete on journey_sessions to ${role}`,
    );
    const found = () => verify(openPostgresJs(as(url)), { table });
    expect((await found()).find(({ message }) => /Inserting/.test(message))).toMatchObject({
      severity: "note",
      message: expect.stringContaining("the role may not read a table"),
    });
    await sql.unsafe(`insert into owners values (gen_random_uuid()); grant select on owners to ${role};
      alter table journey_sessions add constraint positive check (nr > 0)`);
    expect((await found()).find(({ message }) => /Inserting/.test(message))).toMatchObject({
      severity: "note",
      message: expect.stringContaining("constraint positive refuses"),
    });
  });

  test("but a NOT NULL column without a value is an error, and so is a check of the package", async () => {
    const { db, sql } = await migrated();
    await sql.unsafe(raising("nothing", "before insert", "null"));
    await sql`alter table journey_sessions alter metadata set default '[]'`;
    expect(codesOf(problems(await verify(db)))).toContain("error column_default");
    await sql`alter table journey_sessions alter metadata drop default`;
    expect(codesOf(problems(await verify(db)))).toContain("error insert_failed");
  });
});

test("a trigger that sets the column of its argument is put before the package's", async () => {
  const opened = await migrated();
  await opened.sql.unsafe(`create function moddate() returns trigger language plpgsql as
      $$ begin return jsonb_populate_record(new, jsonb_build_object(tg_argv[0], now())); end $$;
    create trigger zz_moddate before update on journey_sessions for each row execute function moddate('updated_at')`);
  const found = await verify(opened.db);
  expect(codesOf(problems(found))).toEqual(["error updated_at_unchanged"]);
  await follow(found, opened);
  expect(problems(await verify(opened.db))).toEqual([]);
});

test("own columns may have any name", async () => {
  const names = [
    "i",
    "t",
    "s",
    "f",
    "c",
    "n",
    "value",
    "depth",
    "layer",
    "older",
    "found",
    "row",
    "counts",
    "stored",
  ];
  const table = journeyTable("chats", Object.fromEntries(names.map((name) => [name, text(name)])));
  const { db, sql } = await made({ table });
  await sql.unsafe(`insert into chats (user_id, messages, metadata) values
    ('user_a', '[{"id": "m1"}, {"id": "m1"}]', '{}'), ('user_b', '[]', '{}')`);
  const found = await verify(db, { table });
  expect(codesOf(found)).toEqual(["warning message_ids"]);
  expect(await sql.unsafe(found[0]?.sql ?? "")).toHaveLength(1);
  await sql.unsafe(
    `alter table chats drop constraint chats_messages_is_array, drop constraint chats_metadata_is_object`,
  );
  expect(codesOf(await verify(db, { table }))).toEqual([
    "error check_missing",
    "error check_missing",
    "warning message_ids",
  ]);
});
