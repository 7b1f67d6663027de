import { type SQL, sql } from "drizzle-orm";
import { shippedMigrations } from "../migrate.js";
import { TABLE } from "../read.js";
import type { Check } from "./check.js";

const TRIGGER = "journey_sessions_updated_at";
const FUNCTION = "update_journey_sessions_updated_at";

/** The trigger's condition as the server prints it. Without a condition the trigger does the same, more slowly. */
const CONDITION =
  "FOR EACH ROW WHEN ((((new.updated_at = now()) AND (new.updated_at > old.updated_at)) IS NOT TRUE)) EXECUTE FUNCTION";

/** The function's body in the newest migration that creates it. */
const shippedBody = () =>
  shippedMigrations()
    .flatMap(({ statements }) => statements)
    .findLast((one) => one.includes(`FUNCTION "${FUNCTION}"() RETURNS`))
    ?.split("$$")[1] ?? "";

// tgtype: for each row (1), before (2), update (16).
const STORED_TRIGGERS = sql`(
  select quote_ident(tgname) as name, tgenabled in ('O', 'A') as enabled, tgtype::int & 2 = 2 as before, quote_ident(proname) as function,
    format('%I.%I', n.nspname, proname) as qualified_function, prosrc, lanname = 'plpgsql' and not prosecdef as plain,
    tgtype = 19 and tgattr::text = '' and (tgqual is null or strpos(pg_get_triggerdef(t.oid), ${CONDITION}) > 0) and proname = ${FUNCTION} as as_declared,
    coalesce('search_path=""' = any (proconfig), false) as empty_search_path
  from pg_trigger t join pg_proc p on p.oid = tgfoid join pg_namespace n on n.oid = pronamespace join pg_language l on l.oid = prolang
  where tgrelid = ${TABLE} and not tgisinternal) as stored`;

const own = (condition: SQL) =>
  sql`select function, qualified_function from ${STORED_TRIGGERS} where name = ${TRIGGER} and ${condition}`;

const words = (body: SQL) => sql`btrim(regexp_replace(${body}, '[[:space:]]+', ' ', 'g'))`;

/** A function, since the files of the migrations are not read at import. */
export const triggerChecks = (): Check[] => [
  {
    code: "trigger_missing",
    query: sql`select where not exists (${own(sql`true`)})`,
    finding: (_, { reapply }) => [`Trigger ${TRIGGER} is missing: updated_at does not change.`, reapply],
  },
  {
    code: "trigger_disabled",
    query: own(sql`not enabled`),
    finding: () => [
      `Trigger ${TRIGGER} is disabled: updated_at does not change.`,
      { sql: `alter table journey_sessions enable trigger ${TRIGGER}` },
    ],
  },
  {
    code: "trigger_different",
    query: own(sql`not as_declared`),
    finding: (_, { reapply }) => [
      `Trigger ${TRIGGER} does not call ${FUNCTION}() before every update of a row.`,
      reapply,
    ],
  },
  {
    code: "function_different",
    query: own(
      sql`as_declared and not (plain and ${words(sql`prosrc`)} = ${words(sql`${shippedBody()}::text`)})`,
    ),
    finding: (_, { reapply }) => [
      `Function ${FUNCTION}() is not the one of this version: a revision may repeat.`,
      reapply,
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
  {
    code: "trigger_unexpected",
    severity: "warning",
    query: sql`select name from ${STORED_TRIGGERS} where before and name <> ${TRIGGER} order by name`,
    finding: ({ name }: { name: string }) => [
      `Trigger ${name} may change rows before they are stored.`,
      { sql: `drop trigger if exists ${name} on journey_sessions`, rest: ", unless it is intended" },
    ],
  },
];
