import { describe, expect, test } from "vitest";
import { convertMessages } from "../../src/admin.js";
import { verify } from "../../src/maintenance/verify/verify.js";
import { contentAlone, older, withParts } from "../support/ai-sdk-4.js";
import { migrated, prepared } from "../support/changes.js";
import { openPostgresJs } from "../support/database.js";
import { OLD_TABLE } from "../support/old-table.js";

test("sessions and messages of AI SDK 4 are counted, without what they say, until they are converted", async () => {
  const { sql, db } = await migrated();
  const store = (messages: unknown) =>
    sql`insert into journey_sessions (user_id, messages) values ('user_1', ${sql.json(messages as never)})`;
  await store([withParts[0], null, 7, { id: "old" }]);
  expect(await verify(db)).toEqual([]);
  await store([contentAlone[0], withParts[0]]);
  const finding = {
    severity: "warning",
    code: "messages_ai_sdk_4",
    message:
      "1 session has a message of AI SDK 4, which later versions do not show or cannot send to a model.",
    remedy: "journey-db convert-messages, after a backup; --dry-run only counts",
  };
  expect(await verify(db)).toEqual([finding]);
  await store(older);
  const message = `2 sessions have ${older.length + 1} messages of AI SDK 4, which later versions do not show or cannot send to a model.`;
  expect(await verify(db)).toEqual([{ ...finding, message }]);
  await convertMessages(db);
  expect(await verify(db)).toEqual([]);
});

test("they are counted in a table made by hand, too, with rows of any shape", async () => {
  const { sql, db } = await prepared(OLD_TABLE);
  await sql`insert into journey_sessions (user_id, messages) values
    ('user_1', null), ('user_1', '"text"'), ('user_1', '{"role": "data", "content": "x"}'), ('user_1', ${sql.json(older)})`;
  const counted = (await verify(db)).filter(({ code }) => code === "messages_ai_sdk_4");
  expect(counted.map(({ message }) => message)).toEqual([
    expect.stringMatching(`^1 session has ${older.length} messages`),
  ]);
});

test("they are not counted in a column of another type, which is reported instead", async () => {
  const { db } = await prepared("create table journey_sessions (id uuid, user_id text, messages text)");
  const findings = await verify(db);
  expect(findings.map(({ code }) => code)).toContain("column_type");
  expect(JSON.stringify(findings)).not.toMatch(/messages could not be|AI SDK/);
});

describe("the time to count them", async () => {
  const { url, sql } = await migrated();
  await sql`insert into journey_sessions (user_id) values ('user_1')`;
  /** Replaces the function that reads a conversation. */
  const replaceFunction = (body: string) =>
    sql.unsafe(`
      create schema if not exists slow;
      create or replace function slow.jsonb_path_query_array(jsonb, jsonpath, jsonb, boolean) returns jsonb volatile
      language plpgsql as $$ begin ${body}; end $$`);
  const open = (timeout: number) =>
    openPostgresJs(url, {
      max: 1,
      connection: { search_path: "slow, pg_catalog, public", statement_timeout: timeout },
    });

  test("is limited: a table too large for it is unchecked, and the rest is checked", async () => {
    await replaceFunction("perform pg_advisory_xact_lock_shared(7); return '[]'");
    await sql.begin(async (tx) => {
      await tx`select pg_advisory_xact_lock(7)`;
      expect(await verify(open(500))).toEqual([
        {
          severity: "warning",
          code: "unchecked",
          message: "Messages of AI SDK 4 could not be counted in time: SQLSTATE 57014.",
          remedy: "journey-db convert-messages --dry-run counts them in batches",
        },
      ]);
    });
    expect(await verify(open(500))).toEqual([]);
  });

  test.each([
    [0, "30s"],
    [60_000, "30s"],
    [5_000, "5s"],
  ])("is limited to 30 s, or to less if the connection says so: with %i ms to %s", async (timeout, limit) => {
    await replaceFunction(
      `return case current_setting('statement_timeout') when '${limit}' then '[]' else '[1]'::jsonb end`,
    );
    expect(await verify(open(timeout))).toEqual([]);
  });
});
