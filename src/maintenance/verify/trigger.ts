import { type SQL, sql } from "drizzle-orm";
import { literal } from "../table-sql.js";
import { applying, type Check } from "./check.js";
import { cut, type DeclaredTable, type DeclaredTrigger } from "./declared.js";
import { onTriggers } from "./distributed.js";
import { atOnce, plural } from "./finding.js";

/** Triggers that the package does not declare. */
const unexpectedTriggers = ({
  oid,
  key,
  sql: table,
  triggers,
  optional,
  distributed,
}: DeclaredTable): Check => ({
  code: "trigger_unexpected",
  severity: "note",
  // tgtype: before (2).
  query: sql`select quote_ident(tgname) as name, tgtype::int & 2 = 2 as before, ${optional === undefined || distributed !== undefined} and tgname = ${sql.raw(literal(`${key}_notify`))} as notifies
    from pg_trigger where tgrelid = ${oid} and not tgisinternal
      and tgname not in (${sql.raw(["''", ...triggers.map((one) => literal(one.key))].join(", "))}) order by tgname`,
  finding: ({ name, before, notifies }: { name: string; before: boolean; notifies: boolean }) =>
    notifies && distributed
      ? [
          `Trigger ${name} notifies on the server that has the row, where nobody waits, and a transaction that writes on several servers fails at it.`,
          { sql: atOnce(onTriggers({ distributed }, [`drop trigger ${name} on ${table}`])) },
          "error",
        ]
      : notifies
        ? [
            `Trigger ${name} notifies those who wait for replies, but there is no table of replies: writes take longer.`,
            `drop it (drop trigger ${name} on ${table}), unless the table is to be created again`,
          ]
        : [
            before
              ? `Trigger ${name} of the application may change or refuse rows before they are stored.`
              : `Trigger ${name} of the application runs after rows change: if it raises an error, the call is refused.`,
            "none is needed; Drizzle cannot declare triggers, so this note stays",
          ],
});

/**
 * The triggers with which the server keeps a foreign key of an optional table. A restore, or ALTER TABLE … DISABLE
 * TRIGGER ALL, which only a superuser can run, may have left them disabled on either table.
 */
export const foreignKeyTriggers = ({ oid, own, optional, distributed }: DeclaredTable): Check => ({
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
    `The triggers of foreign key ${conname} on ${table} are disabled: ${here ? `${optional?.rows} without a ${optional?.parent} are stored` : `${optional?.rows} of deleted ${plural(`${optional?.parent}`)} stay`}.`,
    // Each shard has them under names of its own.
    distributed
      ? {
          sql: atOnce(onTriggers({ distributed }, [`alter table ${table} enable trigger all`])),
          rest: ", as a superuser; it enables the application's triggers, too",
        }
      : { sql: `alter table ${table} ${enable}`, rest: ", as a superuser" },
  ],
});

const words = (body: SQL) => sql`btrim(regexp_replace(${body}, '[[:space:]]+', ' ', 'g'))`;

/** The triggers of the package. Without one of the optional migrations, calls work, but others wait longer. */
export const triggerChecks = (table: DeclaredTable): Check[] => [
  ...table.triggers.flatMap((one) => checksOf(table, one)),
  unexpectedTriggers(table),
];

function checksOf(declared: DeclaredTable, trigger: DeclaredTrigger): Check[] {
  const { oid, sql: table, schema } = declared;
  const { function: called, condition, missing } = trigger;
  const raw = (text: string) => sql.raw(literal(text));
  const as = trigger.with === undefined ? {} : ({ severity: "warning" } as const);
  const stored = sql`(
    select tgname::text as key, quote_ident(tgname) as name, tgenabled in ('O', 'A') as enabled, quote_ident(proname) as function,
      format('%I.%I', n.nspname, proname) as qualified_function, prosrc, lanname = 'plpgsql' and not prosecdef as plain,
      tgtype = ${sql.raw(String(trigger.type))} and tgattr::text = '' and (tgqual is null or strpos(pg_get_triggerdef(t.oid), ${condition}::text) > 0) is true
        and proname = ${raw(called.key)}${schema === undefined ? sql`` : sql` and n.nspname = ${raw(schema)}`} as as_declared,
      coalesce('search_path=""' = any (proconfig), false) as empty_search_path
    from pg_trigger t join pg_proc p on p.oid = tgfoid join pg_namespace n on n.oid = pronamespace join pg_language l on l.oid = prolang
    where tgrelid = ${oid} and not tgisinternal) as stored`;
  // In the table's schema: another schema may come first on the search_path.
  const schemaOf = sql`(select nspname from pg_class c join pg_namespace n on n.oid = relnamespace where c.oid = ${oid}) as schema`;
  const own = (condition: SQL) =>
    sql`select function, qualified_function, ${schemaOf} from ${stored} where key = ${raw(trigger.key)} and ${condition}`;
  const create = ({ schema }: { schema: string }) => atOnce(onTriggers(declared, trigger.create(schema)));
  return [
    {
      code: "trigger_missing",
      ...as,
      query: sql`select ${schemaOf} where not exists (${own(sql`true`)})`,
      finding: (found: { schema: string }, context) => [
        `Trigger ${trigger.name} is missing: ${missing}.`,
        applying(context, trigger.with).reapply(create(found)),
      ],
    },
    {
      code: "trigger_disabled",
      ...as,
      query: own(sql`not enabled`),
      finding: () => [
        `Trigger ${trigger.name} is disabled: ${missing}.`,
        { sql: atOnce(onTriggers(declared, [`alter table ${table} enable trigger ${trigger.name}`])) },
      ],
    },
    {
      code: "trigger_different",
      ...as,
      query: own(sql`not as_declared`),
      finding: (found: { schema: string }, context) => [
        `Trigger ${trigger.name} does not call ${called.name}() ${trigger.fires}.`,
        applying(context, trigger.with).reapply(create(found)),
      ],
    },
    {
      code: "function_different",
      ...as,
      query: own(
        sql`as_declared and not (plain and ${words(sql`prosrc`)} = ${words(sql`${trigger.body}::text`)})`,
      ),
      finding: ({ qualified_function }: { qualified_function: string }, context) => [
        `Function ${called.name}() is not the one of this version: ${trigger.different}.`,
        // The function that the trigger calls, wherever the search_path would create one.
        applying(context, trigger.with).reapply(
          atOnce([
            trigger.createFunction.replace(
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
  ];
}
