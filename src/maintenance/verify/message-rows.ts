import { sql } from "drizzle-orm";
import { isMarked } from "../../message-rows/figures.js";
import { read } from "../read.js";
import { type Context, runChecks } from "./check.js";
import { columnChecks } from "./columns.js";
import { constraintChecks } from "./constraints.js";
import type { DeclaredTable } from "./declared.js";
import { atOnce, type Finding } from "./finding.js";
import { checkOwnObjects } from "./own-objects.js";
import { rightsChecks } from "./rights.js";
import { countRowsOf, nullCheck, type RowCheck } from "./rows.js";
import { putBuiltInsFirst } from "./run.js";
import { storageChecks } from "./storage.js";
import { notATable } from "./table.js";
import { foreignKeyTriggers, unexpectedTriggers } from "./trigger.js";

/** The same checks as of the sessions' table, of the table of their messages. */
export async function checkMessagesTable(context: Context): Promise<Finding[]> {
  const table = context.table.messages as DeclaredTable;
  if (context.inTransaction) await putBuiltInsFirst(context.db);
  const ofMessages = { ...context, ...context.ofRows, table, packageOnly: false };
  const checks = [
    ...[columnChecks, constraintChecks, storageChecks, rightsChecks].flatMap((of) => of(table)),
    foreignKeyTriggers(table),
    unexpectedTriggers(table),
  ];
  const other = await runChecks([notATable(table)], ofMessages);
  const findings =
    other.length > 0
      ? other
      : [...(await runChecks(checks, ofMessages)), ...(await checkOwnObjects(ofMessages))];
  return findings.map((one) => ({ ...one, message: `${table.label}: ${one.message}` }));
}

const isComplete = ({ oid, columnRows, columns }: DeclaredTable) =>
  sql`(select count(*) from ${columnRows} join pg_attribute on attname = name
    where attrelid = ${oid} and not attisdropped and format_type(atttypid, atttypmod) = declared.type) = ${sql.raw(String(columns.length))}`;

/** Compares sessions with their messages in rows. Reads indexes of the messages, and no message. */
export async function countMessageRows({ db, inTransaction, table }: Context): Promise<Finding[]> {
  const messages = table.messages as DeclaredTable;
  if (inTransaction) await putBuiltInsFirst(db);
  const nullable = await read<{ name: string }>(
    db,
    sql`select name from ${messages.columnRows} join pg_attribute on attname = name where attrelid = ${messages.oid} and not attnotnull`,
  );
  const nulls = await countRowsOf(
    db,
    messages.sql,
    nullable.map(({ name }) => nullCheck(messages, name)),
  );
  const [complete] = await read(db, sql`select where ${isComplete(table)} and ${isComplete(messages)}`);
  if (!complete || nulls.length > 0) return nulls;
  const [s, m] = [table.sql, messages.sql];
  const ofSession = `from ${m} m where m.session_id = s.id`;
  const repeated = `(select count(*) > count(distinct m.id) ${ofSession})`;
  const counted = atOnce([
    `select s.id, s.user_id, s.updated_at, marked, counted.*, newest.appended_at as newest,
      case when marked then (s.messages ->> 'rows')::numeric end as expected,
      case when marked then s.messages ->> 'last' end as expected_last,
      case when foreign_rows = 0 then newest.id end as last,
      case when foreign_rows > 0 then ${repeated} else false end as repeated
    from ${s} s cross join lateral (select ${isMarked("s.messages")} as marked offset 0) as marker
      cross join lateral (select count(*) as rows, count(*) filter (where m.user_id <> s.user_id) as foreign_rows ${ofSession}) as counted
      left join lateral (select m.id, m.appended_at ${ofSession} order by m.appended_at desc, m.n desc limit 1) as newest on marked`,
  ]);
  const show = (where: string) => `select * from (${counted}) as counted where ${where}`;
  const checks: RowCheck[] = [
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
      where: "expected > rows",
      what: `fewer messages in ${messages.label} than the column messages says: something other than this package has deleted them`,
      remedy: {
        sql: show("expected > rows"),
        rest: `, then restore the messages of these sessions from a backup, or set "rows" in the column to the number of those that are left, then run journey-db verify`,
      },
    },
    {
      code: "marker_different",
      severity: "error",
      where:
        "expected < rows or expected = rows and foreign_rows = 0 and expected_last is distinct from last",
      what: "a wrong number of messages or a wrong last message in the column messages: messageCount is wrong, and append({ after }) is refused",
      remedy: {
        // If others have changed the session since the beginning of the statement, it stays as it is.
        sql: `update ${s} s set messages = jsonb_build_object('rows', c.rows, 'last', c.last) from (${counted}) as c where s.id = c.id and s.updated_at = c.updated_at and (c.expected < c.rows or c.expected = c.rows and c.expected_last is distinct from c.last) and c.foreign_rows = 0`,
      },
    },
  ];
  const orphaned = `not exists (select from ${s} s where s.id = m.session_id)`;
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
