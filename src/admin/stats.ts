import { desc, type SQL, sql } from "drizzle-orm";
import * as z from "zod";
import { existingReplies } from "../durable-replies/leftovers.js";
import { before, lostBefore } from "../durable-replies/statements.js";
import { repliesOf } from "../durable-replies/tables.js";
import { existingMessages } from "../message-rows/existing.js";
import { isMarked, LARGE_SESSION_BYTES } from "../message-rows/figures.js";
import type { Database } from "../model/database.js";
import { toDate } from "../model/time.js";
import { exactTime } from "../queries/columns.js";
import { existingTable } from "../queries/existing.js";
import { perTable, statement } from "../queries/statement.js";
import { type JourneyTable, qualifiedName, type SessionTable } from "../schema.js";
import { type AdminStatement, optionsOf, rowOf, table, timeoutMs } from "./call.js";

export interface StatsOptions {
  /** The table of the sessions, declared with `journeyTable`. @default journeySessions */
  table?: JourneyTable | undefined;
  /** Time limit of the call in milliseconds: 1–2,147,483,647. @default 15000 */
  timeoutMs?: number | undefined;
}

export interface Stats {
  sessions: number;
  /** Users who have at least one session. */
  owners: number;
  /** The 100 most frequent phases, with the number of sessions in each. */
  phases: { phase: string; sessions: number }[];
  /** Bytes on disk of the table, its indexes and its long values, including dead rows and free space. */
  bytes: number;
  /** The session whose messages and metadata take the most bytes as stored, compressed; null without a session. */
  largest: { id: string; bytes: number } | null;
  /** Sessions with more than 1 MB of messages in the column, as stored, compressed. They gain most from message rows. */
  largeSessions: number;
  /**
   * Bytes of messages that an append to a session of the column layout rewrites, as stored, compressed: over all of
   * them, and of the largest; null without such a session.
   */
  appendBytes: { mean: number; largest: number } | null;
  /**
   * Sessions that keep their messages in rows, those messages, and the bytes on disk of their table. The messages are
   * those that the sessions say they have; a session with what is no number of messages counts as having none.
   */
  messageRows: { sessions: number; messages: number; bytes: number };
  /**
   * Durable replies: those that are running; those that a crash has left, which had no sign of life for 10 s or ended
   * more than a minute ago; and the bytes on disk of both tables. Zeros without the tables.
   */
  replies: { running: number; abandoned: number; bytes: number };
  /** Old row versions that vacuum has not removed yet, as estimated by the server. */
  deadRows: number;
  /** When the oldest session was created; null without a session. */
  oldestCreatedAt: Date | null;
  /** The last update of the session that has been inactive longest; null without a session. */
  oldestUpdatedAt: Date | null;
  /** The last update of any session; null without a session. */
  newestUpdatedAt: Date | null;
}

type StatsRow = Record<
  "sessions" | "owners" | "bytes" | "largeSessions" | "replyBytes" | "deadRows",
  number
> &
  Record<"phases" | "messageRows", string> & { hasReplies: boolean } & Record<"appendBytes", string | null> &
  Record<"largest" | "oldestCreatedAt" | "oldestUpdatedAt" | "newestUpdatedAt", string | null>;

const statsOptions = z.strictObject({ table, timeoutMs });

/** A bigint would arrive as text. */
const number = (count: SQL) => sql<number>`(${count})::float8`;

const readStats = perTable((table): AdminStatement<StatsRow> => {
  const { id, userId, phase, messages, metadata, createdAt, updatedAt } = table;
  // Without a schema it is found by the search_path, as in the other statements.
  const regclass = sql.raw(`'${qualifiedName(table).replaceAll("'", "''")}'::regclass`);
  return statement(table, "admin_stats", (db) => {
    const owner = db.selectDistinct({ userId }).from(table).as("owner");
    // pg_column_size reads the row only: it has the size of a long value, which is stored elsewhere.
    const size = sql<number>`pg_column_size(${messages}) + pg_column_size(${metadata})`;
    // No conversation either, but the marker of one in rows.
    const marked = sql.raw(isMarked(`"messages"`));
    const stored = sql`pg_column_size(${messages})`;
    // Another program may have written any number; nested, since an unmarked conversation is not read.
    const counted = sql`case when ${marked} then ${messages} ->> 'rows' ~ '^\\d{1,9}$' else false end`;
    const largest = db
      .select({ found: sql`json_build_object('id', ${id}, 'bytes', ${size})::text` })
      .from(table)
      .orderBy(desc(size), id)
      .limit(1);
    const phases = db
      .select({ phase, sessions: sql<number>`count(*)`.as("sessions") })
      .from(table)
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
        bytes: number(sql`pg_total_relation_size(${regclass})`),
        largest: sql<string | null>`(${largest})`,
        largeSessions: number(sql`count(*) filter (where ${stored} > ${sql.raw(`${LARGE_SESSION_BYTES}`)})`),
        appendBytes: sql<
          string | null
        >`case when count(*) filter (where not ${marked}) > 0 then json_build_object(
          'mean', round(avg(${stored}) filter (where not ${marked})), 'largest', max(${stored}) filter (where not ${marked}))::text end`,
        messageRows: sql<string>`json_build_object('sessions', count(*) filter (where ${marked}),
          'messages', coalesce(sum((${messages} ->> 'rows')::int) filter (where ${counted}), 0),
          'bytes', coalesce(pg_total_relation_size(${existingMessages(table)}), 0))::text`,
        hasReplies: sql<boolean>`${existingReplies(table)} is not null`,
        replyBytes: number(
          sql.join(
            [existingReplies(table), existingTable(repliesOf(table).chunks)].map(
              (one) => sql`coalesce(pg_total_relation_size(${one}), 0)`,
            ),
            sql` + `,
          ),
        ),
        deadRows: number(sql`pg_stat_get_dead_tuples(${regclass})`),
        oldestCreatedAt: exactTime(sql`min(${createdAt})`),
        oldestUpdatedAt: exactTime(sql`min(${updatedAt})`),
        newestUpdatedAt: exactTime(sql`max(${updatedAt})`),
      })
      .from(table);
  });
});

const countReplies = perTable((table): AdminStatement<Record<"running" | "abandoned", number>> => {
  const { replies } = repliesOf(table);
  const { state, writtenAt } = replies;
  const abandoned = sql`case when ${state} = 'ended' then ${writtenAt} < ${before(60)} else coalesce(${writtenAt} < ${lostBefore}, false) end`;
  return statement(table, "admin_count_replies", (db) =>
    db
      .select({
        running: number(sql`count(*) filter (where ${state} <> 'ended' and not ${abandoned})`),
        abandoned: number(sql`count(*) filter (where ${abandoned})`),
      })
      .from(replies),
  );
});

/**
 * Returns how many sessions and owners there are, how much space they take and how old they are. Use it in
 * jobs and scripts, never behind a route.
 *
 * It sends one statement, which reads every row but no conversation and takes about a second per million
 * sessions. For many more, raise `timeoutMs` and the server's own limit. With durable replies, a second one counts them.
 *
 * @throws JourneyDbError invalid_input, timeout, unavailable, configuration, migration, internal
 */
export async function stats(db: Database, options: StatsOptions = {}): Promise<Stats> {
  const { table, timeoutMs } = optionsOf(statsOptions, db, options);
  const send = <Row>(of: (table: SessionTable) => AdminStatement<Row>) =>
    rowOf(of(table), db, {}, { timeoutMs });
  const { sessions, owners, phases, bytes, largeSessions, deadRows, ...row } = await send(readStats);
  const replies = row.hasReplies ? await send(countReplies) : { running: 0, abandoned: 0 };
  const date = (exactTime: string | null) => (exactTime === null ? null : toDate(exactTime));
  return {
    sessions,
    owners,
    phases: JSON.parse(phases),
    bytes,
    largest: JSON.parse(row.largest ?? "null"),
    largeSessions,
    appendBytes: JSON.parse(row.appendBytes ?? "null"),
    messageRows: JSON.parse(row.messageRows),
    replies: { ...replies, bytes: row.replyBytes },
    deadRows,
    oldestCreatedAt: date(row.oldestCreatedAt),
    oldestUpdatedAt: date(row.oldestUpdatedAt),
    newestUpdatedAt: date(row.newestUpdatedAt),
  };
}
