import { eq, is, sql, TransactionRollbackError } from "drizzle-orm";
import { pgTable, text } from "drizzle-orm/pg-core";
import type { Database } from "../database.js";
import { lacksTransactions } from "../migrate.js";
import { attempt, error, type Finding, warning } from "./finding.js";
import { SHAPES, type StoredColumn, type StoredConstraint } from "./structure.js";

/**
 * Runs `use` in a transaction that is rolled back, waiting for the table no longer than 3 s. Where
 * the driver has no transactions it just runs, told so by `undone: false`.
 */
async function rolledBack<T>(db: Database, use: (tx: Database, undone: boolean) => Promise<T>): Promise<T> {
  let result: { value: T } | undefined;
  try {
    await db.transaction(async (tx) => {
      await tx.execute(sql.raw("SET LOCAL lock_timeout = '3s'"));
      result = { value: await use(tx, true) };
      tx.rollback();
    });
  } catch (thrown) {
    if (lacksTransactions(thrown)) return use(db, false);
    if (!result || !is(thrown, TransactionRollbackError)) throw thrown;
  }
  return (result as { value: T }).value;
}

/** The columns that a row with only a user id gets from their defaults. */
const DEFAULTS: Record<string, string> = {
  id: "id is not null",
  phase: "phase = 'setup'",
  messages: "messages = '[]'::jsonb",
  metadata: "metadata = '{}'::jsonb",
  created_at: "created_at = now()",
  updated_at: "updated_at = now()",
};

/** The table with the one column that the probe names, so that nothing else is sent. */
const probed = pgTable("journey_sessions", { userId: text("user_id") });

const createdAt = sql<string>`to_jsonb(created_at) #>> '{}'`;
const updatedAt = sql<string>`to_jsonb(updated_at) #>> '{}'`;

/**
 * Inserts a row with a user id and nothing else, updates it, and leaves none behind. Its owner is
 * nobody's: this package refuses ids that begin with a space.
 */
export function probe(db: Database): Promise<Finding[]> {
  const owner = ` journey-db verify ${crypto.randomUUID()}`;
  return rolledBack(db, async (tx, undone) => {
    let findings: Finding[];
    let left: Finding[] = [];
    try {
      findings = await insertAndUpdate(tx, owner);
    } finally {
      if (!undone) left = await remove(tx, owner);
    }
    return [...findings, ...left];
  });
}

async function insertAndUpdate(db: Database, owner: string): Promise<Finding[]> {
  let before: { holds: boolean[]; createdAt: string; updatedAt: string } | undefined;
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
  if (!row) return refused;
  const missed = Object.keys(DEFAULTS).filter((_, index) => row.holds[index] === false);
  return [
    ...missed.map((column) =>
      error(
        "default_not_applied",
        `A session with only a user_id does not get the default of ${column}.`,
        "see the other findings; a trigger may change it",
      ),
    ),
    ...(await update(db, owner, row)),
  ];
}

async function update(
  db: Database,
  owner: string,
  before: { createdAt: string; updatedAt: string },
): Promise<Finding[]> {
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

/** Where nothing rolls the row back. */
async function remove(db: Database, owner: string): Promise<Finding[]> {
  const own = eq(probed.userId, owner);
  return attempt(
    async () => {
      await db.delete(probed).where(own);
      return [];
    },
    ({ sqlState }) =>
      error(
        "probe_left",
        `The row that verify inserted could not be deleted: SQLSTATE ${sqlState}.`,
        `delete from journey_sessions where user_id = '${owner}'`,
      ),
  );
}

/**
 * Counts what the stored rows hold against the table's rules, in one scan. A rule that the server
 * vouches for (a validated check, a NOT NULL column) is not counted.
 */
export async function checkRows(
  db: Database,
  columns: readonly StoredColumn[],
  constraints: readonly StoredConstraint[],
): Promise<Finding[]> {
  const typed = new Set(columns.map(({ name, type }) => `${name} ${type}`));
  const shapes = SHAPES.filter(
    ({ check, column, type, definition }) =>
      typed.has(`${column} ${type}`) &&
      !constraints.some((one) => one.name === check && one.validated && one.definition === definition),
  );
  const nullable = columns.filter(
    ({ name, notNull }) => !notNull && (name === "user_id" || name in DEFAULTS),
  );
  const rules = [...shapes.map(({ broken }) => broken), ...nullable.map(({ name }) => `${name} is null`)];
  if (rules.length === 0) return [];
  const counted = sql.join(
    rules.map((rule) => sql.raw(`count(*) filter (where ${rule})`)),
    sql`, `,
  );
  const [row] = await rolledBack(db, async (tx) =>
    tx
      .select({ counts: sql<number[]>`to_jsonb(array[${counted}])::text`.mapWith(JSON.parse) })
      .from(sql.raw("journey_sessions")),
  );
  const counts = row?.counts ?? [];
  return [
    ...shapes.flatMap(({ check, what }, index) => {
      const found = counts[index] ?? 0;
      if (found === 0) return [];
      return [
        warning(
          "rows_forbidden",
          `${found} ${found === 1 ? "row has" : "rows have"} ${what}: reading or writing such a session answers corrupt.`,
          `alter table journey_sessions validate constraint ${check}, after repairing or deleting them`,
        ),
      ];
    }),
    ...nullable.flatMap(({ name }, index) => {
      const found = counts[shapes.length + index] ?? 0;
      if (found === 0) return [];
      const remedy =
        name === "user_id" || name === "id"
          ? `give them one, or delete them, before journey-db migrate`
          : "journey-db migrate fills in the column's default";
      return [
        warning("null_values", `${found} ${found === 1 ? "row has" : "rows have"} NULL in ${name}.`, remedy),
      ];
    }),
  ];
}
