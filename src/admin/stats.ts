import { desc, type SQL, sql } from "drizzle-orm";
import * as z from "zod";
import type { Database } from "../model/database.js";
import { toDate } from "../model/time.js";
import { exactTime } from "../queries/columns.js";
import { statement } from "../queries/statement.js";
import { journeySessions } from "../schema.js";
import { type AdminStatement, optionsOf, rowOf, timeoutMs } from "./call.js";

export interface StatsOptions {
  /** Milliseconds after which the call ends for the caller: 1–2,147,483,647. @default 15000 */
  timeoutMs?: number | undefined;
}

export interface Stats {
  sessions: number;
  /** Users who have a session. */
  owners: number;
  /** The phases, with how many sessions are in each, the most frequent 100 of them. */
  phases: { phase: string; sessions: number }[];
  /** Bytes on disk: the table, its indexes and its long values, dead rows and free space included. */
  bytes: number;
  /** The session whose messages and metadata take most bytes as they are stored, which is compressed; null without a session. */
  largest: { id: string; bytes: number } | null;
  /** Old versions of rows that no vacuum has taken away yet, as the server estimates them. */
  deadRows: number;
  /** When the oldest session was created; null without a session. */
  oldestCreatedAt: Date | null;
  /** The last update of the session that has been inactive longest; null without a session. */
  oldestUpdatedAt: Date | null;
  /** The last update of any session; null without a session. */
  newestUpdatedAt: Date | null;
}

type StatsRow = Record<"sessions" | "owners" | "bytes" | "deadRows", number> &
  Record<"phases", string> &
  Record<"largest" | "oldestCreatedAt" | "oldestUpdatedAt" | "newestUpdatedAt", string | null>;

const statsOptions = z.strictObject({ timeoutMs });

const { id, userId, phase, messages, metadata, createdAt, updatedAt } = journeySessions;

/** Found as the other statements find it: by the search_path. */
const TABLE = sql`'journey_sessions'::regclass`;
/** bigint would arrive as text. */
const number = (count: SQL) => sql<number>`(${count})::float8`;

const readStats: AdminStatement<StatsRow> = statement("admin_stats", (db) => {
  const owner = db.selectDistinct({ userId }).from(journeySessions).as("owner");
  // pg_column_size looks at the row alone: a long value's size stands there, and the value elsewhere.
  const size = sql<number>`pg_column_size(${messages}) + pg_column_size(${metadata})`;
  const largest = db
    .select({ found: sql`json_build_array(${id}, ${size})::text` })
    .from(journeySessions)
    .orderBy(desc(size), id)
    .limit(1);
  const phases = db
    .select({ phase, sessions: sql<number>`count(*)`.as("sessions") })
    .from(journeySessions)
    .groupBy(phase)
    .orderBy(desc(sql`count(*)`), phase)
    .limit(100)
    .as("phases");
  const found = sql`json_build_object('phase', ${phases.phase}, 'sessions', ${phases.sessions})`;
  return db
    .select({
      phases: sql<string>`(${db.select({ all: sql`coalesce(json_agg(${found} order by ${phases.sessions} desc, ${phases.phase}), '[]')::text` }).from(phases)})`,
      sessions: number(sql`count(*)`),
      owners: number(sql`${db.select({ count: sql`count(*)` }).from(owner)}`),
      bytes: number(sql`pg_total_relation_size(${TABLE})`),
      largest: sql<string | null>`(${largest})`,
      deadRows: number(sql`pg_stat_get_dead_tuples(${TABLE})`),
      oldestCreatedAt: exactTime(sql`min(${createdAt})`),
      oldestUpdatedAt: exactTime(sql`min(${updatedAt})`),
      newestUpdatedAt: exactTime(sql`max(${updatedAt})`),
    })
    .from(journeySessions);
});

/**
 * How many sessions there are, of how many users, how much room they take and how old they are. For
 * a job or a person, never behind a route.
 *
 * One statement, which reads every row but no conversation: some seconds for a million sessions. So
 * raise `timeoutMs`, and the server's own limit, where there are many more.
 *
 * @throws JourneyDbError invalid_input, timeout, unavailable, configuration, migration, internal
 */
export async function stats(db: Database, options: StatsOptions = {}): Promise<Stats> {
  const { timeoutMs } = optionsOf(statsOptions, db, options);
  const { sessions, owners, phases, bytes, deadRows, ...row } = await rowOf(readStats, db, {}, { timeoutMs });
  const date = (exactTime: string | null) => (exactTime === null ? null : toDate(exactTime));
  return {
    sessions,
    owners,
    phases: JSON.parse(phases),
    bytes,
    largest: row.largest === null ? null : sizeOf(row.largest),
    deadRows,
    oldestCreatedAt: date(row.oldestCreatedAt),
    oldestUpdatedAt: date(row.oldestUpdatedAt),
    newestUpdatedAt: date(row.newestUpdatedAt),
  };
}

function sizeOf(json: string): { id: string; bytes: number } {
  const [id, bytes] = JSON.parse(json);
  return { id, bytes };
}
