import { desc, type SQL, sql } from "drizzle-orm";
import * as z from "zod";
import { existingReplies } from "../durable-replies/leftovers.js";
import { before, lostBefore } from "../durable-replies/statements.js";
import { repliesOf } from "../durable-replies/tables.js";
import { existingMessages } from "../message-rows/existing.js";
import { isMarked, LARGE_SESSION_BYTES } from "../message-rows/figures.js";
import { IS_CITUS } from "../model/citus.js";
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

/** Bytes on disk of each table; what vacuum has not removed. */
type Sizes = Record<"bytes" | "messageBytes" | "replyBytes" | "deadRows", number>;

type StatsRow = Sizes &
  Record<"sessions" | "owners" | "largeSessions" | "inRows" | "messages", number> &
  Record<"hasReplies" | "onCitus", boolean> & { phases: string } & Record<
    "largest" | "appendBytes" | "oldestCreatedAt" | "oldestUpdatedAt" | "newestUpdatedAt",
    string | null
  >;

const statsOptions = z.strictObject({ table, timeoutMs });

/** A bigint would arrive as text. */
const number = (count: SQL) => sql<number>`(${count})::float8`;

/** @param sizeOf the bytes of a table, which may be NULL */
const sizesOf = (table: SessionTable, sizeOf: (one: SQL) => SQL) => {
  const size = (one: SQL) => sql`coalesce(${sizeOf(one)}, 0)`;
  return {
    bytes: number(size(regclassOf(table))),
    messageBytes: number(size(existingMessages(table))),
    replyBytes: number(
      sql`${size(existingReplies(table))} + ${size(existingTable(repliesOf(table).chunks))}`,
    ),
  };
};

/** Without a schema it is found by the search_path, as in the other statements. */
const regclassOf = (table: SessionTable) =>
  sql.raw(`'${qualifiedName(table).replaceAll("'", "''")}'::regclass`);

const readStats = perTable((table): AdminStatement<StatsRow> => {
  const { id, userId, phase, messages, metadata, createdAt, updatedAt } = table;
  return statement(table, "admin_stats", (db) => {
    const owner = db.selectDistinct({ userId }).from(table).as("owner");
    // pg_column_size reads the row only: it has the size of a long value, which is stored elsewhere.
    const size = sql<number>`pg_column_size(${messages}) + pg_column_size(${metadata})`;
    // No conversation either, but the marker of one in rows.
    const marked = sql.raw(isMarked(`"messages"`));
    const stored = sql`pg_column_size(${messages})`;
    // Another program may have written any number; nested, since an unmarked conversation is not read.
    const isNumber = sql`case when ${marked} then ${messages} ->> 'rows' ~ '^\\d{1,9}$' else false end`;
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
    // A part of its own, since distributed engines refuse an aggregate beside a sub-select.
    const all = db.$with("counted").as(
      db
        .select({
          sessions: number(sql`count(*)`).as("sessions"),
          largeSessions: number(
            sql`count(*) filter (where ${stored} > ${sql.raw(`${LARGE_SESSION_BYTES}`)})`,
          ).as("large_sessions"),
          appendBytes: sql<
            string | null
          >`case when count(*) filter (where not ${marked}) > 0 then json_build_object(
            'mean', round(avg(${stored}) filter (where not ${marked})), 'largest', max(${stored}) filter (where not ${marked}))::text end`.as(
            "append_bytes",
          ),
          inRows: number(sql`count(*) filter (where ${marked})`).as("in_rows"),
          messages: number(
            sql`coalesce(sum((${messages} ->> 'rows')::int) filter (where ${isNumber}), 0)`,
          ).as("messages"),
          oldestCreatedAt: sql`min(${createdAt})`.as("oldest_created_at"),
          oldestUpdatedAt: sql`min(${updatedAt})`.as("oldest_updated_at"),
          newestUpdatedAt: sql`max(${updatedAt})`.as("newest_updated_at"),
        })
        .from(table),
    );
    return db
      .with(all)
      .select({
        sessions: all.sessions,
        owners: number(sql`${db.select({ count: sql`count(*)` }).from(owner)}`),
        phases: sql<string>`(${db.select({ all: sql`coalesce(json_agg(${found} order by ${phases.sessions} desc, ${phases.phase}), '[]')::text` }).from(phases)})`,
        largest: sql<string | null>`(${largest})`,
        largeSessions: all.largeSessions,
        appendBytes: all.appendBytes,
        inRows: all.inRows,
        messages: all.messages,
        hasReplies: sql<boolean>`${existingReplies(table)} is not null`,
        oldestCreatedAt: exactTime(sql`${all.oldestCreatedAt}`),
        oldestUpdatedAt: exactTime(sql`${all.oldestUpdatedAt}`),
        newestUpdatedAt: exactTime(sql`${all.newestUpdatedAt}`),
        ...sizesOf(table, (one) => sql`pg_total_relation_size(${one})`),
        deadRows: number(sql`pg_stat_get_dead_tuples(${regclassOf(table)})`),
        onCitus: sql<boolean>`${sql.raw(IS_CITUS)}`,
      })
      .from(all);
  });
});

/** Of a table that Citus has distributed: of all its shards. No row for another. */
const readDistributedSizes = perTable((table): AdminStatement<Sizes> => {
  const distributed = (one: SQL) =>
    sql`(select logicalrelid from pg_catalog.pg_dist_partition where logicalrelid = ${one} and partmethod = 'h')`;
  const dead = sql`select sum(result::float8) from run_command_on_shards(${regclassOf(table)}, 'select pg_stat_get_dead_tuples(%L::regclass)') where success`;
  return statement(table, "admin_distributed_sizes", (db) =>
    db
      .select({
        ...sizesOf(table, (one) => sql`citus_total_relation_size(${distributed(one)}, false)`),
        deadRows: number(sql`coalesce((${dead}), 0)`),
      })
      .from(sql`${distributed(regclassOf(table))} as distributed`),
  );
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
 * sessions. For many more, raise `timeoutMs` and the server's own limit. With durable replies, a second one counts them. On
 * a Citus cluster, one more reads the sizes and dead rows of a distributed table's shards.
 *
 * @throws JourneyDbError invalid_input, timeout, unavailable, configuration, migration, internal
 */
export async function stats(db: Database, options: StatsOptions = {}): Promise<Stats> {
  const { table, timeoutMs } = optionsOf(statsOptions, db, options);
  const send = <Row>(of: (table: SessionTable) => AdminStatement<Row>) =>
    rowOf(of(table), db, {}, { timeoutMs });
  const { sessions, owners, phases, largeSessions, inRows, messages, ...row } = await send(readStats);
  const replies = row.hasReplies ? await send(countReplies) : { running: 0, abandoned: 0 };
  const distributed: Sizes | undefined = row.onCitus ? await send(readDistributedSizes) : undefined;
  const { bytes, messageBytes, replyBytes, deadRows } = distributed ?? row;
  const date = (exactTime: string | null) => (exactTime === null ? null : toDate(exactTime));
  return {
    sessions,
    owners,
    phases: JSON.parse(phases),
    bytes,
    largest: JSON.parse(row.largest ?? "null"),
    largeSessions,
    appendBytes: JSON.parse(row.appendBytes ?? "null"),
    messageRows: { sessions: inRows, messages, bytes: messageBytes },
    replies: { ...replies, bytes: replyBytes },
    deadRows,
    oldestCreatedAt: date(row.oldestCreatedAt),
    oldestUpdatedAt: date(row.oldestUpdatedAt),
    newestUpdatedAt: date(row.newestUpdatedAt),
  };
}
