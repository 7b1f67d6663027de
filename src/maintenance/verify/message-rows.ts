import { sql } from "drizzle-orm";
import { isMarked } from "../../message-rows/figures.js";
import { read } from "../read.js";
import { type Context, runChecks } from "./check.js";
import type { DeclaredTable } from "./declared.js";
import { atOnce, type Finding } from "./finding.js";
import { contentChecks } from "./messages.js";
import { isComplete, nullRows } from "./optional-table.js";
import { countRowsOf, type RowCheck } from "./rows.js";
import { putBuiltInsFirst } from "./run.js";

/** Looks for messages in rows that calls cannot use. */
export async function checkMessageContents(context: Context): Promise<Finding[]> {
  const { db, table, inTransaction } = context;
  if (inTransaction) await putBuiltInsFirst(db);
  const [complete] = await read(db, sql`select where ${isComplete(table.messages as DeclaredTable)}`);
  return complete ? runChecks(contentChecks(table), context) : [];
}

/** Compares sessions with their messages in rows. Reads indexes of the messages, and no message. */
export async function countMessageRows({ db, inTransaction, table }: Context): Promise<Finding[]> {
  const messages = table.messages as DeclaredTable;
  if (inTransaction) await putBuiltInsFirst(db);
  const nulls = await nullRows(db, messages);
  const [complete] = await read(db, sql`select where ${isComplete(table)} and ${isComplete(messages)}`);
  if (!complete || nulls.length > 0) return nulls;
  const [s, m] = [table.sql, messages.sql];
  // Citus joins by owner only, and keeps a session's messages with its owner by their foreign key.
  const ofOwner = (owner: string) => (table.distributed ? ` and m.user_id = ${owner}.user_id` : "");
  const ofSession = `from ${m} m where m.session_id = s.id${ofOwner("s")}`;
  const repeated = `(select count(*) > count(distinct m.id) ${ofSession})`;
  const counted = atOnce([
    `select s.id, s.user_id, s.updated_at, marked, counted.*, newest.appended_at as newest,
      case when marked then (s.messages ->> 'rows')::numeric end as expected,
      case when marked then s.messages ->> 'last' end as expected_last,
      case when foreign_rows = 0 then newest.id end as last,
      case when foreign_rows > 0 then ${repeated} else false end as repeated
    from (select *, ${isMarked("messages")} as marked from ${s}${table.distributed ? "" : " offset 0"}) as s
      cross join lateral (select count(*) as rows, count(*) filter (where m.user_id <> s.user_id) as foreign_rows ${ofSession}) as counted
      left join lateral (select m.id, m.appended_at ${ofSession} order by m.appended_at desc, m.n desc limit 1) as newest on marked`,
  ]);
  const show = (where: string) => `select * from (${counted}) as counted where ${where}`;
  const isLate = (time: string) => `${time} >= '294276-01-01 00:00:00+00'::timestamptz`;
  // The trigger sets a time that is not before now(), by the clock of its server. Messages that have a later one keep their order.
  const placeAgain = (where: string) =>
    `with late as materialized (select s.user_id, s.id from ${s} s where ${isMarked("s.messages")} and ${where}), reset as (update ${s} s set updated_at = now() from late where (s.user_id, s.id) = (late.user_id, late.id) returning s.user_id, s.id, s.updated_at), placed as (select m.session_id, m.user_id, m.id, reset.updated_at, row_number() over (partition by m.session_id, m.user_id order by m.appended_at, m.n) as place from ${m} m join reset on m.session_id = reset.id${ofOwner("reset")}) update ${m} m set appended_at = least(m.appended_at, placed.updated_at), n = placed.place from placed where (m.session_id, m.user_id, m.id) = (placed.session_id, placed.user_id, placed.id)`;
  const isCount = "expected between 0 and 2147483647 and expected = trunc(expected)";
  const differs = `not (${isCount}) or expected < rows or expected = rows and foreign_rows = 0 and expected_last is distinct from last`;
  const checks: RowCheck[] = [
    {
      code: "updated_at_unordered",
      severity: "error",
      where: `marked and ${isLate("updated_at")}`,
      what: "an updated_at that cannot increase (infinity, or the year 294276 or later): writes to its messages fail with corrupt",
      remedy: { sql: placeAgain(isLate("s.updated_at")) },
    },
    {
      code: "updated_at_unordered",
      severity: "error",
      where: `marked and not ${isLate("updated_at")} and newest > updated_at`,
      what: "an updated_at before the time of its last message: new messages come before that one",
      remedy: {
        sql: placeAgain(
          `not ${isLate("s.updated_at")} and exists (select ${ofSession} and m.appended_at > s.updated_at)`,
        ),
      },
    },
    {
      code: "message_owner",
      severity: "error",
      where: "foreign_rows > 0 and not repeated",
      what: "messages that belong to another user: its owner does not see them",
      remedy: {
        sql: `update ${m} m set user_id = s.user_id from ${s} s where m.session_id = s.id and m.user_id <> s.user_id and not ${repeated}`,
        rest: ", which shows them to the session's owner",
      },
    },
    {
      code: "message_owner",
      severity: "error",
      where: "foreign_rows > 0 and repeated",
      what: "messages that belong to another user, with the same ids as others",
      remedy: {
        sql: `select m.session_id, m.user_id, m.id, m.appended_at from ${m} m join ${s} s on m.session_id = s.id where ${repeated}`,
        rest: ", then keep one of the messages with the same session_id and id, delete the others, and run journey-db verify",
      },
    },
    {
      code: "message_rows_unmarked",
      severity: "error",
      where: "rows > 0 and not marked",
      what: `messages in ${messages.label} and others in the column: calls do not see the former, and the session cannot be moved into rows`,
      remedy: {
        sql: show("rows > 0 and not marked"),
        rest: `, then delete the rows of these sessions from ${m}, after making sure that those in the column are the right ones, then run journey-db verify`,
      },
    },
    {
      code: "message_rows_missing",
      severity: "error",
      where: `${isCount} and expected > rows`,
      what: `fewer messages in ${messages.label} than the column messages says: something other than this package has deleted them`,
      remedy: {
        sql: show(`${isCount} and expected > rows`),
        rest: `, then restore the messages of these sessions from a backup, or set "rows" and "last" in the column to the number and the last id of those that are left (columns rows and last), then run journey-db verify`,
      },
    },
    {
      code: "marker_different",
      severity: "error",
      where: `(${differs}) and not repeated`,
      what: "a wrong number of messages or a wrong last message in the column messages: messageCount is wrong, and append({ after }) is refused",
      remedy: {
        // If others have changed the session since the beginning of the statement, it stays as it is.
        sql: `with counted as materialized (select user_id, id, updated_at, jsonb_build_object('rows', rows, 'last', last) as marker from (${counted}) as counted where (${differs}) and foreign_rows = 0) update ${s} s set messages = counted.marker from counted where (s.user_id, s.id, s.updated_at) = (counted.user_id, counted.id, counted.updated_at)`,
      },
    },
  ];
  const orphaned = `not exists (select from ${s} s where s.id = m.session_id${ofOwner("s")})`;
  const orphans: RowCheck = {
    code: "message_rows_orphaned",
    severity: "error",
    where: "true",
    what: "no session: it was deleted without its messages, which come back if it is imported",
    remedy: {
      sql: `select m.session_id, m.user_id, m.id, m.appended_at from ${m} m where ${orphaned}`,
      rest: ", then delete these rows, then run journey-db verify",
    },
  };
  return [
    ...(await countRowsOf(db, `(${counted}) as counted`, checks, "session")),
    ...(await countRowsOf(db, `${m} m where ${orphaned}`, [orphans], "message")),
  ];
}
