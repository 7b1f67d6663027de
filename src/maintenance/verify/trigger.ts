import { type SQL, sql } from "drizzle-orm";
import { FUNCTION_BODY, literal } from "../table-sql.js";
import type { Check } from "./check.js";
import { cut, type DeclaredTable } from "./declared.js";
import { atOnce } from "./finding.js";

/** The trigger's condition as the server prints it. Without a condition the trigger does the same, more slowly. */
const CONDITION =
  "FOR EACH ROW WHEN ((((new.updated_at = now()) AND (new.updated_at > old.updated_at)) IS NOT TRUE)) EXECUTE FUNCTION";

/** Triggers of the application. The table of messages has no other. */
export const unexpectedTriggers = ({
  oid,
  row,
  trigger,
}: Pick<DeclaredTable, "oid" | "row" | "trigger">): Check => ({
  code: "trigger_unexpected",
  severity: "note",
  // tgtype: before (2).
  query: sql`select quote_ident(tgname) as name, tgtype::int & 2 = 2 as before from pg_trigger
    where tgrelid = ${oid} and not tgisinternal ${row === "session" ? sql`and tgname <> ${sql.raw(literal(trigger.key))}` : sql``} order by tgname`,
  finding: ({ name, before }: { name: string; before: boolean }) => [
    before
      ? `Trigger ${name} of the application may change or refuse rows before they are stored.`
      : `Trigger ${name} of the application runs after rows change: if it raises an error, the call is refused.`,
    "none is needed; Drizzle cannot declare triggers, so this note stays",
  ],
});

/**
 * The triggers with which the server keeps a foreign key of the table of messages. A restore, or ALTER TABLE … DISABLE
 * TRIGGER ALL, which only a superuser can run, may have left them disabled on either table.
 */
export const foreignKeyTriggers = ({ oid, own }: DeclaredTable): Check => ({
  code: "trigger_disabled",
  query: sql`select conname, tgrelid = ${oid} as here, tgrelid::regclass::text as table,
      string_agg(format('enable trigger %I', tgname), ', ' order by tgname) as enable
    from pg_trigger t join pg_constraint c on c.oid = tgconstraint
    where conrelid = ${oid} and contype = 'f' and conname in (${sql.raw(own.foreignKeys.map(({ key }) => literal(cut(key))).join(", "))})
      and tgisinternal and tgenabled not in ('O', 'A') group by conname, tgrelid order by conname, here`,
  finding: ({
    conname,
    here,
    table,
    enable,
  }: Record<"conname" | "table" | "enable", string> & { here: boolean }) => [
    `The triggers of foreign key ${conname} on ${table} are disabled: ${here ? "messages without a session are stored" : "messages of deleted sessions stay"}.`,
    { sql: `alter table ${table} ${enable}`, rest: ", as a superuser" },
  ],
});

const words = (body: SQL) => sql`btrim(regexp_replace(${body}, '[[:space:]]+', ' ', 'g'))`;

export function triggerChecks({
  oid,
  sql: table,
  schema,
  trigger,
  function: called,
  parts,
  messages,
  row,
}: DeclaredTable): Check[] {
  const raw = (text: string) => sql.raw(literal(text));
  // tgtype: for each row (1), before (2), update (16).
  const stored = sql`(
    select tgname::text as key, quote_ident(tgname) as name, tgenabled in ('O', 'A') as enabled, quote_ident(proname) as function,
      format('%I.%I', n.nspname, proname) as qualified_function, prosrc, lanname = 'plpgsql' and not prosecdef as plain,
      tgtype = 19 and tgattr::text = '' and (tgqual is null or strpos(pg_get_triggerdef(t.oid), ${CONDITION}) > 0)
        and proname = ${raw(called.key)}${schema === undefined ? sql`` : sql` and n.nspname = ${raw(schema)}`} as as_declared,
      coalesce('search_path=""' = any (proconfig), false) as empty_search_path
    from pg_trigger t join pg_proc p on p.oid = tgfoid join pg_namespace n on n.oid = pronamespace join pg_language l on l.oid = prolang
    where tgrelid = ${oid} and not tgisinternal) as stored`;
  const own = (condition: SQL) =>
    sql`select function, qualified_function, ${schemaOf} from ${stored} where key = ${raw(trigger.key)} and ${condition}`;
  // In the table's schema: another schema may come first on the search_path.
  const schemaOf = sql`(select nspname from pg_class c join pg_namespace n on n.oid = relnamespace where c.oid = ${oid}) as schema`;
  const create = ({ schema }: { schema: string }) => {
    const { createFunction, dropTrigger, createTrigger, rights } = parts(schema);
    return atOnce([createFunction, dropTrigger, createTrigger, rights]);
  };
  const consequence = `updated_at does not change${messages ? ", and messages in rows get out of order" : ""}`;
  return [
    {
      code: "trigger_missing",
      query: sql`select ${schemaOf} where not exists (${own(sql`true`)})`,
      finding: (found: { schema: string }, { reapply }) => [
        `Trigger ${trigger.name} is missing: ${consequence}.`,
        reapply(create(found)),
      ],
    },
    {
      code: "trigger_disabled",
      query: own(sql`not enabled`),
      finding: () => [
        `Trigger ${trigger.name} is disabled: ${consequence}.`,
        { sql: `alter table ${table} enable trigger ${trigger.name}` },
      ],
    },
    {
      code: "trigger_different",
      query: own(sql`not as_declared`),
      finding: (found: { schema: string }, { reapply }) => [
        `Trigger ${trigger.name} does not call ${called.name}() before every update of a row.`,
        reapply(create(found)),
      ],
    },
    {
      code: "function_different",
      query: own(
        sql`as_declared and not (plain and ${words(sql`prosrc`)} = ${words(sql`${FUNCTION_BODY}::text`)})`,
      ),
      finding: ({ qualified_function }: { qualified_function: string }, { reapply }) => [
        `Function ${called.name}() is not the one of this version: a revision may repeat.`,
        // The function that the trigger calls, wherever the search_path would create one.
        reapply(
          atOnce([
            parts().createFunction.replace(
              /FUNCTION .*?\(\) RETURNS/,
              () => `FUNCTION ${qualified_function}() RETURNS`,
            ),
          ]),
        ),
      ],
    },
    {
      code: "function_search_path",
      severity: "warning",
      query: own(sql`not empty_search_path`),
      finding: (found: { function: string; qualified_function: string }) => [
        `Function ${found.function}() uses the caller's search_path.`,
        { sql: `alter function ${found.qualified_function}() set search_path = ''` },
      ],
    },
    unexpectedTriggers({ oid, row, trigger }),
  ];
}
