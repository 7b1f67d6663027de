import { sql } from "drizzle-orm";
import { check, index, integer, pgEnum, pgPolicy, pgSchema, text, unique, uuid } from "drizzle-orm/pg-core";
import { describe, expect, test } from "vitest";
import { tableSql } from "../../src/maintenance/table-sql.js";
import { type FindingCode, verify } from "../../src/maintenance/verify/verify.js";
import { journeySessions, journeyTable } from "../../src/schema.js";
import { follow, migrated, prepared, problems } from "../support/changes.js";
import { generated } from "../support/drizzle-kit.js";

const app = pgSchema("app");
const owners = app.table("owners", { id: uuid("id").primaryKey() });
const status = app.enum("status", ["draft", "it's done"]);
const kind = pgEnum("kind", ["a", "b"]);

/** A table with own objects of each kind. */
const chats = journeyTable(
  { name: "chats", schema: "app" },
  {
    orgId: text("org_id").notNull(),
    status: status("status").default("draft").notNull(),
    kind: kind("kind"),
    pinned: integer("pinned").default(1),
    number: integer("Number").generatedByDefaultAsIdentity(),
    upper: text("upper").generatedAlwaysAs(sql`'x'::text`),
    ownerId: uuid("owner_id").references(() => owners.id, { onDelete: "cascade" }),
  },
  (t) => [
    index("chats_org").on(t.orgId, t.pinned.desc()),
    index("chats_lower").on(sql`lower(org_id)`).where(sql`pinned > 0`),
    unique().on(t.userId, t.orgId),
    check("chats_pinned", sql`pinned >= 0`),
    pgPolicy("chats own", { for: "select", to: "public", using: sql`false` }),
  ],
);

async function own() {
  const opened = await prepared();
  for (const statement of await generated({ app, owners, status, kind, chats }))
    await opened.sql.unsafe(statement);
  for (const statement of tableSql(chats)) await opened.sql.unsafe(statement);
  await opened.sql.unsafe(`insert into app.chats (user_id, org_id) values ('user_a', 'a'), ('user_b', 'b')`);
  return opened;
}

async function ofDefault() {
  const opened = await migrated();
  await opened.sql`insert into journey_sessions (user_id) values ('user_a'), ('user_b')`;
  return opened;
}

/** Why no case follows the remedy of a code: it has no SQL, or only SQL that shows rows. */
const WITHOUT_SQL = {
  column_unexpected: "note, or the application must declare it",
  constraint_unexpected: "note",
  created_at_changed: "by another trigger",
  default_not_applied: "by another trigger",
  delete_failed: "by another trigger",
  disk_full: "of the server",
  encoding: "of the database",
  foreign_key: "note",
  index_unexpected: "note",
  insert_failed: "by another object",
  journal_ahead: "update the package",
  large_sessions: "note",
  message_ids: "shows rows",
  message_rows_missing: "shows rows",
  message_rows_orphaned: "shows rows",
  message_rows_unmarked: "shows rows",
  messages_ai_sdk_4: "a command",
  migrations_pending: "a command",
  not_distributed: "a command",
  null_values: "shows rows",
  phase_unlisted: "shows rows",
  policy: "note",
  policy_missing: "by the application's migration",
  read_only: "of the server",
  replies_abandoned: "note",
  rows_encoded_twice: "a command",
  rows_forbidden: "shows rows",
  rule_unexpected: "the application must remove it",
  table_elsewhere: "of the search_path",
  trigger_unexpected: "note",
  unchecked: "nothing is known",
  unique_index: "note",
  update_failed: "by another object",
} satisfies Partial<Record<FindingCode, string>>;

type Followed = Exclude<FindingCode, keyof typeof WITHOUT_SQL>;

/** What is done to the table (`T`), or to each kind of table, so that verify reports the code with SQL. */
const CASES = {
  check_different:
    "alter table T drop constraint N_messages_is_array, add constraint N_messages_is_array check (messages is not null)",
  check_missing: {
    default: "alter table T drop constraint N_metadata_is_object",
    own: "alter table T drop constraint N_metadata_is_object; alter table T drop constraint chats_pinned",
  },
  check_not_validated:
    "alter table T drop constraint N_user_id_not_empty, add constraint N_user_id_not_empty check (user_id <> '') not valid",
  column_collation: `create collation caseless (provider = icu, locale = 'und-u-ks-level2', deterministic = false); alter table T alter user_id type text collate caseless`,
  column_default: {
    default: "alter table T alter phase drop default",
    own: "alter table T alter phase set default 'x', alter status drop default, alter pinned set default 2",
  },
  column_missing: {
    default: "alter table T drop created_at",
    own: 'alter table T drop messages, drop kind, drop status, drop pinned, drop "Number", drop upper; drop type app.status; drop type kind',
  },
  column_nullable: {
    default:
      "alter table T alter phase drop not null, alter metadata drop not null; update T set phase = null where user_id = 'user_a'",
    own: "alter table T alter metadata drop not null, alter org_id drop not null, alter kind set default 'a'; update T set kind = 'a'; alter table T alter kind set not null, alter kind drop default",
  },
  column_type: {
    default:
      "alter table T drop constraint N_messages_is_array, alter phase type varchar(20), alter messages type text using messages::text",
    own: "alter table T alter phase type varchar(20)",
  },
  constraint_different: {
    own: "alter table T drop constraint chats_owner_id_owners_id_fk, add constraint chats_owner_id_owners_id_fk foreign key (owner_id) references app.owners",
  },
  constraint_missing: {
    own: "alter table T drop constraint chats_owner_id_owners_id_fk, drop constraint chats_user_id_org_id_unique",
  },
  function_different:
    "create or replace function F() returns trigger language plpgsql set search_path = '' as $$ begin new.updated_at = now(); return new; end $$",
  function_rights: "grant execute on function F() to public",
  function_search_path: "alter function F() reset search_path",
  index_different: {
    default: "drop index idx_N_user_id; create index idx_N_user_id on T (phase)",
    own: "drop index S.idx_N_user_id; create index idx_N_user_id on T (phase); drop index S.chats_org; create index chats_org on T (pinned)",
  },
  index_missing: {
    default: "drop index idx_N_user_id",
    own: "drop index S.idx_N_user_id; drop index S.chats_org, S.chats_lower; create table S.idx_N_user_id ()",
  },
  journal_damaged: { default: "insert into drizzle.__journey_db_migrations (hash) values ('')" },
  not_a_table: { default: "drop table T; create view T as select 1 as id" },
  primary_key: "alter table T drop constraint N_pkey",
  public_rights: "grant select on T to public",
  rls_active: "",
  rls_disabled: "alter table T disable row level security",
  rls_forced: "alter table T force row level security",
  role_rights: "",
  service_role_rights: "",
  storage: "alter table T reset (fillfactor), alter messages set storage plain",
  table_missing: { default: "drop table T" },
  table_unlogged: "alter table T set unlogged",
  trigger_different:
    "create or replace trigger N_updated_at before update of phase on T for each row execute function F()",
  trigger_disabled: "alter table T disable trigger N_updated_at",
  trigger_missing: "drop trigger N_updated_at on T; drop function F()",
  updated_at_unchanged: `create function touch() returns trigger language plpgsql as $$ begin new.updated_at = now(); return new; end $$;
    create trigger zz_touch before update on T for each row execute function touch()`,
  user_id_unusable: "update T set user_id = ' user_a ' where user_id = 'user_a'",
  view_rights: "create view seen as select * from T; grant select on seen to public",
  probe_left: "",
  marker_different: "",
  message_owner: "",
  reply_owner: "",
  table_owner: "",
  updated_at_unordered: "",
} satisfies Record<Followed, string | { default?: string; own?: string }>;

/** Cases that need a role of their own, or a driver without transactions. */
const ELSEWHERE: Partial<Record<Followed, string>> = {
  marker_different: "verify-message-rows.test.ts",
  message_owner: "verify-message-rows.test.ts",
  reply_owner: "verify-durable-replies.test.ts",
  table_owner: "verify-message-rows.test.ts",
  updated_at_unordered: "verify-message-rows.test.ts",
  probe_left: "verify-without-transactions.test.ts",
  rls_active: "verify-states.test.ts",
  role_rights: "verify-states.test.ts",
  service_role_rights: "roles.test.ts",
};

const TABLES = {
  default: {
    table: journeySessions,
    make: ofDefault,
    names: {
      T: "journey_sessions",
      N: "journey_sessions",
      S: "public",
      F: "update_journey_sessions_updated_at",
    },
  },
  own: {
    table: chats,
    make: own,
    names: { T: "app.chats", N: "chats", S: "app", F: "app.update_chats_updated_at" },
  },
};

const RUNS = Object.entries(CASES).flatMap(([code, change]) =>
  (Object.keys(TABLES) as (keyof typeof TABLES)[]).flatMap((which) => {
    const statements: string | undefined =
      typeof change === "string" ? change : (change as { default?: string; own?: string })[which];
    return statements === undefined || code in ELSEWHERE ? [] : [{ code, which, statements }];
  }),
);

describe("the SQL of a remedy, followed as printed, ends in a verify without errors and warnings", () => {
  test.each(RUNS)("$code, of the $which table", async ({ code, which, statements }) => {
    const { table, make, names } = TABLES[which];
    const opened = await make();
    const { sql: raw, db } = opened;
    expect(problems(await verify(db, { table }))).toEqual([]);
    const written = statements.replaceAll(/(?<![A-Za-z])[TNSF](?![A-Za-z])/g, (name) => names[name as "T"]);
    await raw.unsafe(written);
    const before = await raw.unsafe(`select * from ${names.T}`).catch(() => []);
    const findings = await verify(db, { table });
    expect(
      findings.filter((one) => one.code === code && one.sql !== undefined).length,
      JSON.stringify(findings),
    ).toBeGreaterThan(0);
    await follow(findings, opened);
    expect(problems(await verify(db, { table }))).toEqual([]);
    if (before.length > 0 && code !== "not_a_table")
      expect(await raw.unsafe(`select from ${names.T}`)).toHaveLength(before.length);
  });
});
