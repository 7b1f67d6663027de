import { eq, sql } from "drizzle-orm";
import { pgTable, text } from "drizzle-orm/pg-core";
import type { Database } from "../../model/database.js";
import type { Context } from "./check.js";
import { COLUMNS } from "./declared.js";
import { error, type Finding, type FindingCode } from "./finding.js";
import { attempt } from "./run.js";

/** The columns with a default, and the condition that the default was stored. */
export const DEFAULTS: Record<string, string> = Object.fromEntries(
  COLUMNS.filter((column) => column.default !== null).map(({ name, primary, default: value }) => [
    name,
    primary ? `${name} is not null` : `${name} = ${value}`,
  ]),
);

/** The table with one column only, so that no other is sent. */
const probed = pgTable("journey_sessions", { userId: text("user_id") });

const createdAt = sql<string>`to_jsonb(created_at) #>> '{}'`;
const updatedAt = sql<string>`to_jsonb(updated_at) #>> '{}'`;

const SEE_OTHERS = "see the other findings";

/**
 * Inserts a row with only a user id, updates it and deletes it, in a transaction that is rolled back, or
 * without one if the driver has none. No user has its id: this package refuses ids that begin with a space.
 */
export async function probe({ db, inTransaction }: Context): Promise<Finding[]> {
  const owner = ` journey-db verify ${crypto.randomUUID()}`;
  let findings: Finding[];
  let left: Finding[] = [];
  try {
    findings = await insertUpdateDelete(db, owner);
  } finally {
    if (!inTransaction) left = await cleanUp(db, owner);
  }
  return [...findings, ...left];
}

/** Runs statements. If the server rejects one, that is the finding. */
const tryOut = (code: FindingCode, refused: string, remedy: string, run: () => Promise<Finding[]>) =>
  attempt(run, ({ sqlState }) => error(code, `${refused}: SQLSTATE ${sqlState}.`, remedy));

async function insertUpdateDelete(db: Database, owner: string): Promise<Finding[]> {
  let row: { holds: string; createdAt: string; updatedAt: string } | undefined;
  const inserted = await tryOut(
    "insert_failed",
    "A session with only a user_id cannot be created",
    `${SEE_OTHERS}; a column, constraint or trigger that is not part of the table may reject it`,
    async () => {
      const holds = Object.values(DEFAULTS).map((condition) => sql.raw(`coalesce(${condition}, false)`));
      [row] = await db
        .insert(probed)
        .values({ userId: owner })
        .returning({
          holds: sql<string>`to_jsonb(array[${sql.join(holds, sql`, `)}])::text`,
          createdAt,
          updatedAt,
        });
      if (!row) {
        const message = "A new session is not stored, and no error is raised.";
        return [error("insert_failed", message, `${SEE_OTHERS}; a trigger or a rule may discard it`)];
      }
      const applied: boolean[] = JSON.parse(row.holds);
      const missed = Object.keys(DEFAULTS).filter((_, index) => !applied[index]);
      return missed.map((column) => {
        const message = `A session with only a user_id does not get the default of ${column}.`;
        return error("default_not_applied", message, `${SEE_OTHERS}; a trigger may change it`);
      });
    },
  );
  if (!row) return inserted;
  const findings = [...inserted, ...(await update(db, owner, row))];
  // After a statement that the server refused, the transaction accepts no other.
  if (findings.some(({ code }) => ["update_failed", "unchecked", "disk_full"].includes(code)))
    return findings;
  const remedy = `${SEE_OTHERS}; another trigger or a rule may keep it`;
  const deleted = await tryOut("delete_failed", "A session cannot be deleted", remedy, async () =>
    (await remove(db, owner))
      ? []
      : [error("delete_failed", "A session is not deleted, and no error is raised.", remedy)],
  );
  return [...findings, ...deleted];
}

const update = (db: Database, owner: string, before: { createdAt: string; updatedAt: string }) =>
  tryOut("update_failed", "A session cannot be updated", SEE_OTHERS, async () => {
    const [after] = await db
      .update(probed)
      .set({ userId: sql`user_id` })
      .where(eq(probed.userId, owner))
      .returning({
        createdAt,
        // now() is the same in the whole transaction, but a revision must not be.
        increased: sql<boolean>`coalesce(updated_at > ${before.updatedAt}::text::timestamptz, false)`,
      });
    const remedy = `${SEE_OTHERS}; another trigger may set it`;
    const findings: Finding[] = [];
    if (!after?.increased) {
      const message = "An update does not increase updated_at: a revision may repeat.";
      findings.push(error("updated_at_unchanged", message, remedy));
    }
    if (after && after.createdAt !== before.createdAt)
      findings.push(error("created_at_changed", "An update changes created_at.", remedy));
    return findings;
  });

/** Returns whether the row was deleted: a trigger or a rule may keep it, without an error. */
async function remove(db: Database, owner: string): Promise<boolean> {
  const own = eq(probed.userId, owner);
  await db.delete(probed).where(own);
  return (await db.select({ userId: probed.userId }).from(probed).where(own)).length === 0;
}

async function cleanUp(db: Database, owner: string): Promise<Finding[]> {
  const left = (why: string) =>
    error("probe_left", `The row that verify inserted ${why}.`, {
      sql: `delete from journey_sessions where user_id = '${owner}'`,
    });
  return attempt(
    async () => ((await remove(db, owner)) ? [] : [left("is still there")]),
    ({ sqlState }) => left(`could not be deleted: SQLSTATE ${sqlState}`),
  );
}
