import { sql } from "drizzle-orm";
import type { Database } from "../../model/database.js";
import { shippedMigrations } from "../migrate.js";
import { error, type Finding, type Remedy, warning } from "./finding.js";
import { TABLE } from "./structure.js";

const TRIGGER = "journey_sessions_updated_at";
const FUNCTION = "update_journey_sessions_updated_at";

/** As the server writes the condition with which the migrations make the trigger. Without one it does the same, at more cost. */
const WHERE_NEEDED =
  "FOR EACH ROW WHEN ((((new.updated_at = now()) AND (new.updated_at > old.updated_at)) IS NOT TRUE)) EXECUTE FUNCTION";

const words = (source: string) => source.trim().replace(/\s+/g, " ");

/** The body of the function, from the newest migration that makes it. */
function shippedBody(): string {
  const statements = shippedMigrations().flatMap((migration) => migration.statements);
  return statements.findLast((one) => one.includes(`FUNCTION "${FUNCTION}"() RETURNS`))?.split("$$")[1] ?? "";
}

/** The trigger by name, enabled, on every update; the function behind it; and no other that changes rows before they are stored. */
export async function checkTrigger(db: Database, reapply: Remedy): Promise<Finding[]> {
  const stored = await db
    .select({
      name: sql<string>`quote_ident(t.tgname)`,
      enabled: sql<boolean>`t.tgenabled in ('O', 'A')`,
      before: sql<boolean>`t.tgtype::int & 2 = 2`,
      // 19: for each row (1), before (2), update (16).
      everyUpdate: sql<boolean>`t.tgtype = 19 and t.tgattr::text = '' and (t.tgqual is null or strpos(pg_get_triggerdef(t.oid), ${WHERE_NEEDED}) > 0)`,
      function: sql<string>`quote_ident(p.proname)`,
      // A function of the name elsewhere may come first in the search_path.
      place: sql<string>`format('%I.%I', n.nspname, p.proname)`,
      body: sql<string>`p.prosrc`,
      plain: sql<boolean>`l.lanname = 'plpgsql' and not p.prosecdef`,
      emptySearchPath: sql<boolean>`coalesce('search_path=""' = any(p.proconfig), false)`,
    })
    .from(
      sql`pg_trigger t join pg_proc p on p.oid = t.tgfoid join pg_namespace n on n.oid = p.pronamespace join pg_language l on l.oid = p.prolang`,
    )
    .where(sql`t.tgrelid = ${TABLE} and not t.tgisinternal`)
    .orderBy(sql`t.tgname`);
  const findings = stored
    .filter(({ name, before }) => before && name !== TRIGGER)
    .map(({ name }) =>
      warning("trigger_unexpected", `Trigger ${name} may change rows before they are stored.`, {
        sql: `drop trigger if exists ${name} on journey_sessions`,
        rest: ", unless it is meant to be there",
      }),
    );

  const trigger = stored.find(({ name }) => name === TRIGGER);
  if (!trigger)
    return [
      error("trigger_missing", `Trigger ${TRIGGER} is missing: updated_at stands still.`, reapply),
      ...findings,
    ];
  if (!trigger.enabled) {
    findings.push(
      error("trigger_disabled", `Trigger ${TRIGGER} is disabled: updated_at stands still.`, {
        sql: `alter table journey_sessions enable trigger ${TRIGGER}`,
      }),
    );
  }
  if (!trigger.everyUpdate || trigger.function !== FUNCTION) {
    findings.push(
      error(
        "trigger_different",
        `Trigger ${TRIGGER} does not call ${FUNCTION}() before every update of a row.`,
        reapply,
      ),
    );
  } else if (!trigger.plain || words(trigger.body) !== words(shippedBody())) {
    findings.push(
      error(
        "function_different",
        `Function ${FUNCTION}() is not this version's: a revision may come back.`,
        reapply,
      ),
    );
  }
  if (!trigger.emptySearchPath) {
    findings.push(
      warning("function_search_path", `Function ${trigger.function}() follows the caller's search_path.`, {
        sql: `alter function ${trigger.place}() set search_path = ''`,
      }),
    );
  }
  return findings;
}
