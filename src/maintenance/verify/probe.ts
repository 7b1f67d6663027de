import { eq, sql } from "drizzle-orm";
import { pgTable, text } from "drizzle-orm/pg-core";
import type { Database } from "../../model/database.js";
import { attempt, error, type Finding } from "./finding.js";

/** The columns that a row with only a user id gets from their defaults. */
export const DEFAULTS: Record<string, string> = {
  id: "id is not null",
  phase: "phase = 'setup'",
  messages: "messages = '[]'::jsonb",
  metadata: "metadata = '{}'::jsonb",
  created_at: "created_at = now()",
  updated_at: "updated_at = now()",
};

/** The table with the one column that the probe names, so that nothing else is sent. */
const probed = pgTable("journey_sessions", { userId: text("user_id") });

interface Times {
  createdAt: string;
  updatedAt: string;
}

const createdAt = sql<string>`to_jsonb(created_at) #>> '{}'`;
const updatedAt = sql<string>`to_jsonb(updated_at) #>> '{}'`;

/**
 * Inserts a row with a user id and nothing else, updates it, deletes it, and leaves none behind,
 * in a transaction that is rolled back or, where `undone` is false, without one. Its owner is
 * nobody's: this package refuses ids that begin with a space.
 */
export async function probe(db: Database, undone: boolean): Promise<Finding[]> {
  const owner = ` journey-db verify ${crypto.randomUUID()}`;
  let findings: Finding[];
  let left: Finding[] = [];
  try {
    findings = await insertAndChange(db, owner);
  } finally {
    if (!undone) left = await remove(db, owner);
  }
  return [...findings, ...left];
}

async function insertAndChange(db: Database, owner: string): Promise<Finding[]> {
  let before: (Times & { holds: boolean[] }) | undefined;
  const refused = await attempt(
    async () => {
      const holds = sql.join(
        Object.values(DEFAULTS).map((condition) => sql.raw(`coalesce(${condition}, false)`)),
        sql`, `,
      );
      const inserted = db.insert(probed).values({ userId: owner });
      [before] = await inserted.returning({
        holds: sql<boolean[]>`to_jsonb(array[${holds}])::text`.mapWith(JSON.parse),
        createdAt,
        updatedAt,
      });
      return [];
    },
    ({ sqlState }) =>
      error(
        "insert_failed",
        `A session with only a user_id cannot be created: SQLSTATE ${sqlState}.`,
        "see the other findings; a column, constraint or trigger that is not the table's own may refuse it",
      ),
  );
  const row = before;
  if (refused.length > 0) return refused;
  if (!row) {
    return [
      error(
        "insert_failed",
        "A new session is not stored, without an error.",
        "see the other findings; a trigger or a rule may swallow it",
      ),
    ];
  }
  const missed = Object.keys(DEFAULTS).filter((_, index) => row.holds[index] === false);
  return [
    ...missed.map((column) =>
      error(
        "default_not_applied",
        `A session with only a user_id does not get the default of ${column}.`,
        "see the other findings; a trigger may change it",
      ),
    ),
    ...(await changeAndDelete(db, owner, row)),
  ];
}

async function changeAndDelete(db: Database, owner: string, before: Times): Promise<Finding[]> {
  const findings = await update(db, owner, before);
  // In a transaction nothing can follow a statement that the server refused.
  if (findings.some(({ code }) => ["update_failed", "unchecked", "disk_full"].includes(code)))
    return findings;
  return [...findings, ...(await deleteAndLook(db, owner))];
}

async function update(db: Database, owner: string, before: Times): Promise<Finding[]> {
  const remedy = "see the other findings; another trigger may set it";
  return attempt(
    async () => {
      const [after] = await db
        .update(probed)
        .set({ userId: sql`user_id` })
        .where(eq(probed.userId, owner))
        .returning({
          createdAt,
          // Strictly: within one transaction now() stands still, and a revision must not.
          increased: sql<boolean>`coalesce(updated_at > ${before.updatedAt}::text::timestamptz, false)`,
        });
      const findings: Finding[] = [];
      if (!after?.increased) {
        findings.push(
          error(
            "updated_at_unchanged",
            "An update does not increase updated_at: a revision may come back.",
            remedy,
          ),
        );
      }
      if (after && after.createdAt !== before.createdAt) {
        findings.push(error("created_at_changed", "An update changes created_at.", remedy));
      }
      return findings;
    },
    ({ sqlState }) =>
      error("update_failed", `A session cannot be updated: SQLSTATE ${sqlState}.`, "see the other findings"),
  );
}

/** Whether a delete removes the row: a trigger or a rule may keep it, without an error. */
async function deleteAndLook(db: Database, owner: string): Promise<Finding[]> {
  const remedy = "see the other findings; another trigger or a rule may keep it";
  const own = eq(probed.userId, owner);
  return attempt(
    async () => {
      await db.delete(probed).where(own);
      const rows = await db.select({ userId: probed.userId }).from(probed).where(own);
      if (rows.length === 0) return [];
      return [error("delete_failed", "A session that is deleted stays, without an error.", remedy)];
    },
    ({ sqlState }) => error("delete_failed", `A session cannot be deleted: SQLSTATE ${sqlState}.`, remedy),
  );
}

/** Where nothing rolls the row back. */
async function remove(db: Database, owner: string): Promise<Finding[]> {
  const own = eq(probed.userId, owner);
  const left = (why: string) =>
    error("probe_left", `The row that verify inserted ${why}.`, {
      sql: `delete from journey_sessions where user_id = '${owner}'`,
    });
  return attempt(
    async () => {
      await db.delete(probed).where(own);
      const rows = await db.select({ userId: probed.userId }).from(probed).where(own);
      return rows.length === 0 ? [] : [left("is still there")];
    },
    ({ sqlState }) => left(`could not be deleted: SQLSTATE ${sqlState}`),
  );
}
