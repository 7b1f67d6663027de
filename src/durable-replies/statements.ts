import { type SQL, sql } from "drizzle-orm";
import { exactTime } from "../queries/columns.js";
import { input, listOf, ownedBy, param, perTable, statement, withParts } from "../queries/statement.js";
import type { SessionTable } from "../schema.js";
import type { ReplyState, ReplyStatus } from "../sessions/replies.js";
import type { WatchedRow } from "../sessions/verb.js";
import { repliesOf } from "./tables.js";

/** Seconds without a sign of life after which a producer is taken for lost. */
const LOST_AFTER = 10;
/** Seconds after which a reply that has written nothing yet gives way to another: its route may have failed. */
const GIVES_WAY_AFTER = 3;
/** Batches that one read returns at most. */
const MOST_BATCHES = 100;
/** Characters after which it returns no further one. */
const MOST_CHARACTERS = 256 * 1024;

const owner = param("userId");
const session = param("id");
const replyId = sql`${param("replyId")}::text`;

/** A distributed engine fails at a part without columns. */
const AS_A_PART = sql`returning 1 as one`;

/** The owner's reply in this session. */
const ownReply = (table: SessionTable): SQL => {
  const { replies } = repliesOf(table);
  return sql`${replies.userId} = ${owner} and ${replies.sessionId} = ${session}`;
};

/** The time so many seconds ago, but not before the server was started: it could not be written to meanwhile. */
export const before = (seconds: number): SQL => sql.raw(`now() - interval '${seconds} seconds'`);
export const lostBefore = sql`case when pg_postmaster_start_time() < ${before(LOST_AFTER)} then ${before(LOST_AFTER)} end`;

/** Whether nobody is at work on the reply; `input` has `lostBefore`. */
const isLost = (table: SessionTable): SQL<boolean> => {
  const { state, writtenAt } = repliesOf(table).replies;
  return sql<boolean>`(${state} <> 'ended' and coalesce(${writtenAt} < input."lostBefore", false))`;
};

/** Begins a reply, unless another one is running. */
export const start = perTable((table) =>
  statement<{ found: boolean; started: boolean }>(table, "reply_start", (db) => {
    const { replies, chunks } = repliesOf(table);
    // One that was refused before it wrote anything does not count.
    const previous = sql`select ${replies.id} from ${replies} where ${ownReply(table)} and ${replies.batches} > 0`;
    const started = sql`insert into ${replies} (user_id, session_id, id, message_id, state, continues, batches, started_at, written_at)
      select ${table.userId}, ${table.id}, ${replyId}, ${param("messageId")}::text, 'running', ${param("continues")}::int, 0, now(), now() from ${table} where ${ownedBy(table)}
      on conflict (session_id, user_id) do update set id = excluded.id, message_id = excluded.message_id, state = excluded.state,
        continues = excluded.continues, batches = excluded.batches, started_at = excluded.started_at, written_at = excluded.written_at
      where ${replies.userId} = ${owner} and (${replies.state} in ('stored', 'ended') or ${replies.batches} = 0
        and (${replies.id} = excluded.id or excluded.started_at - ${replies.startedAt} > interval '${sql.raw(String(GIVES_WAY_AFTER))} seconds'))
      returning ${replies.sessionId}, ${replies.id}`;
    // Not those of the previous reply, whose end some may not have read yet.
    const cleared = sql`delete from ${chunks} using started, previous
      where ${chunks.userId} = ${owner} and ${chunks.sessionId} = started.session_id and ${chunks.replyId} not in (started.id, previous.id)
      ${AS_A_PART}`;
    return withParts(
      db,
      { previous, started, cleared },
      {
        found: sql<boolean>`exists (select 1 from ${table} where ${ownedBy(table)})`,
        started: sql<boolean>`exists (select 1 from started)`,
      },
      sql`(select 1) as one`,
      ["previous"],
    );
  }),
);

/**
 * Writes a batch, or none, which shows that the producer lives. The same number twice writes it once. Returns nothing if
 * the reply is over, for one of the states `from`.
 */
export const write = perTable((table) =>
  statement<{ state: ReplyState }>(table, "reply_write", (db) => {
    const { replies, chunks } = repliesOf(table);
    const values = input({
      n: sql`${param("n")}::int`,
      chunks: sql`${param("chunks")}::text`,
      state: sql`${param("state")}::text`,
      messageId: sql`${param("messageId")}::text`,
      continues: sql`${param("continues")}::int`,
      from: sql`string_to_array(${param("from")}::text, ',')`,
    });
    const written = sql`update ${replies} set written_at = now(), batches = greatest(${replies.batches}, input.n), state = coalesce(input.state, ${replies.state}),
        message_id = coalesce(input."messageId", ${replies.messageId}), continues = coalesce(input.continues, ${replies.continues})
      from ${values} where ${ownReply(table)} and ${replies.id} = ${replyId} and ${replies.state} = any(input."from")
      returning ${replies.sessionId}, ${replies.id}, ${replies.state}`;
    const stored = sql`insert into ${chunks} (user_id, session_id, reply_id, n, chunks)
      select ${owner}::text, written.session_id, written.id, input.n, input.chunks from written, ${values} where input.chunks <> ''
      on conflict (session_id, reply_id, n, user_id) do nothing ${AS_A_PART}`;
    return withParts(db, { written, stored }, { state: sql<ReplyState>`written.state` }, sql`written`);
  }),
);

/** The columns of a reply as it is, of `replies` and `input`. */
const stateOf = (table: SessionTable) => {
  const { id, messageId, state, continues, batches } = repliesOf(table).replies;
  return {
    replyId: sql<string>`${id}`,
    messageId: sql<string | null>`${messageId}`,
    state: sql<ReplyState>`${state}`,
    continues: sql<number | null>`${continues}`,
    batches: sql<number>`${batches}`,
    isLost: isLost(table),
  };
};

/** A batch, or none if there is none after the one that the reader has. */
export type ReadRow = ReplyStatus & ({ n: number; chunks: string } | { n: null; chunks: null });

/**
 * The session's reply, or the one with the id `replyId`, with its batches after `after`. One row for each, or one. A reply
 * that another has followed is over.
 */
export const read = perTable((table) =>
  statement<ReadRow>(table, "reply_read", (db) => {
    const { replies, chunks } = repliesOf(table);
    const wanted = sql`coalesce(${replyId}, ${replies.id})`;
    const isCurrent = sql`${replies.id} = ${wanted}`;
    const ofWanted = sql`${chunks.userId} = ${owner} and ${chunks.sessionId} = ${session} and ${chunks.replyId} = ${wanted}`;
    const numbered = sql`select ${chunks.n}, ${chunks.chunks}, sum(length(${chunks.chunks})) over (order by ${chunks.n}) - length(${chunks.chunks}) as before
      from ${chunks} where ${ofWanted} and ${chunks.n} > ${param("after")}::int order by ${chunks.n} limit ${sql.raw(String(MOST_BATCHES))}`;
    const next = sql`select numbered.n, numbered.chunks from (${numbered}) as numbered where numbered.before < ${sql.raw(String(MOST_CHARACTERS))}`;
    const { messageId, state, continues, batches, isLost } = stateOf(table);
    const columns: { [Name in keyof ReadRow]: SQL } = {
      replyId: wanted,
      messageId: sql`case when ${isCurrent} then ${messageId} end`,
      state: sql`case when ${isCurrent} then ${state} else 'ended' end`,
      continues: sql`case when ${isCurrent} then ${continues} end`,
      batches: sql`case when ${isCurrent} then ${batches} else (select coalesce(max(${chunks.n}), 0) from ${chunks} where ${ofWanted}) end`,
      isLost: sql`${isCurrent} and ${isLost}`,
      n: sql`next.n`,
      chunks: sql`next.chunks`,
    };
    return withParts<ReadRow>(
      db,
      {
        found: sql`select ${listOf(columns)} from ${replies} cross join ${input({ lostBefore })} left join lateral (${next}) as next on true where ${ownReply(table)}`,
      },
      Object.fromEntries(
        Object.keys(columns).map((name) => [name, sql`found.${sql.identifier(name)}`]),
      ) as never,
      sql`found order by found.n`,
    );
  }),
);

/** Asks the producer of the running reply to stop. */
export const stop = perTable((table) =>
  statement<ReplyStatus>(table, "reply_stop", (db) => {
    const { replies } = repliesOf(table);
    return db
      .update(replies)
      .set({ state: sql`case when ${replies.state} = 'running' then 'stopping' else ${replies.state} end` })
      .from(input({ lostBefore }))
      .where(sql`${ownReply(table)} and ${replies.state} in ('running', 'stopping', 'closing')`)
      .returning(stateOf(table)) as never;
  }),
);

/** Takes a reply over whose producer is lost: one of all that try, until that one is lost too. */
export const close = perTable((table) =>
  statement<{ replyId: string }>(table, "reply_close", (db) => {
    const { replies } = repliesOf(table);
    return db
      .update(replies)
      .set({ state: "closing", writtenAt: sql`now()` })
      .from(input({ lostBefore }))
      .where(sql`${ownReply(table)} and ${replies.id} = ${replyId} and ${isLost(table)}`)
      .returning({ replyId: replies.id }) as never;
  }),
);

/** Removes a reply and its chunks, whatever its state; of one that another has followed, its chunks. */
export const remove = perTable((table) =>
  statement<{ replyId: string }>(table, "reply_delete", (db) => {
    const { replies, chunks } = repliesOf(table);
    const removed = sql`delete from ${replies} where ${ownReply(table)} and ${replies.id} = ${replyId} returning ${replies.id}`;
    const cleared = sql`delete from ${chunks}
      where ${chunks.userId} = ${owner} and ${chunks.sessionId} = ${session} and ${chunks.replyId} = ${replyId}
      ${AS_A_PART}`;
    return withParts(db, { removed, cleared }, { replyId: sql<string>`removed.id` }, sql`removed`);
  }),
);

/** The session's revision, and the state of its reply if there is one. */
export const watched = perTable((table) =>
  statement<WatchedRow>(table, "watch_replies", (db) => {
    const { replies } = repliesOf(table);
    return db
      .select({ revision: exactTime(table.updatedAt), ...stateOf(table) })
      .from(table)
      .crossJoin(input({ lostBefore }) as never)
      .leftJoin(replies, ownReply(table))
      .where(ownedBy(table)) as never;
  }),
);
