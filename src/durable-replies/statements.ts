import { type SQL, sql } from "drizzle-orm";
import { exactTime } from "../queries/columns.js";
import { input, ownedBy, param, perTable, statement, withParts } from "../queries/statement.js";
import type { SessionTable } from "../schema.js";
import { type ReplyState, repliesOf } from "./tables.js";

/** Seconds without a sign of life after which a producer is taken for lost. */
const LOST_AFTER = 10;
/** Seconds after which a reply that has written nothing yet gives way to another: its route may have failed. */
const GIVES_WAY_AFTER = 3;
/** Batches that one read returns at most. */
const MOST_BATCHES = 100;

const owner = param("userId");
const session = param("id");
const replyId = sql`${param("replyId")}::text`;

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
    const started = sql`insert into ${replies} (user_id, session_id, id, state, continues, batches, started_at, written_at)
      select ${table.userId}, ${table.id}, ${replyId}, 'running', ${param("continues")}::int, 0, now(), now() from ${table} where ${ownedBy(table)}
      on conflict (session_id, user_id) do update set id = excluded.id, state = excluded.state, continues = excluded.continues,
        batches = excluded.batches, started_at = excluded.started_at, written_at = excluded.written_at
      where ${replies.userId} = ${owner} and (${replies.state} in ('stored', 'ended') or ${replies.batches} = 0
        and (${replies.id} = excluded.id or excluded.started_at - ${replies.startedAt} > interval '${sql.raw(String(GIVES_WAY_AFTER))} seconds'))
      returning ${replies.sessionId}, ${replies.id}`;
    const cleared = sql`delete from ${chunks} using started
      where ${chunks.userId} = ${owner} and ${chunks.sessionId} = started.session_id and ${chunks.replyId} <> started.id`;
    return withParts(
      db,
      { started, cleared },
      {
        found: sql<boolean>`exists (select from ${table} where ${ownedBy(table)})`,
        started: sql<boolean>`exists (select from started)`,
      },
      sql`(select) as one`,
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
      from: sql`string_to_array(${param("from")}::text, ',')`,
    });
    const written = sql`update ${replies} set written_at = now(), batches = greatest(${replies.batches}, input.n), state = coalesce(input.state, ${replies.state})
      from ${values} where ${ownReply(table)} and ${replies.id} = ${replyId} and ${replies.state} = any(input."from")
      returning ${replies.sessionId}, ${replies.id}, ${replies.state}`;
    const stored = sql`insert into ${chunks} (user_id, session_id, reply_id, n, chunks)
      select ${owner}::text, written.session_id, written.id, input.n, input.chunks from written, ${values} where input.chunks <> ''
      on conflict (session_id, reply_id, n, user_id) do nothing`;
    return withParts(db, { written, stored }, { state: sql<ReplyState>`written.state` }, sql`written`);
  }),
);

/** The columns of a reply as it is, of `replies` and `input`. */
const stateOf = (table: SessionTable) => {
  const { id, state, continues, batches } = repliesOf(table).replies;
  return {
    replyId: sql<string>`${id}`,
    state: sql<ReplyState>`${state}`,
    continues: sql<number | null>`${continues}`,
    batches: sql<number>`${batches}`,
    isLost: isLost(table),
  };
};

export interface StateRow {
  replyId: string;
  state: ReplyState;
  continues: number | null;
  batches: number;
  isLost: boolean;
}
/** A batch, or none if there is none after the one that the reader has. */
export type ReadRow = StateRow & ({ n: number; chunks: string } | { n: null; chunks: null });

/** The reply with the batches after `after`, or all of them if it is another than `replyId`. One row for each, or one. */
export const read = perTable((table) =>
  statement<ReadRow>(table, "reply_read", (db) => {
    const { replies, chunks } = repliesOf(table);
    const next = sql`select ${chunks.n}, ${chunks.chunks} from ${chunks}
      where ${chunks.userId} = ${owner} and ${chunks.sessionId} = ${session} and ${chunks.replyId} = ${replies.id}
        and ${chunks.n} > case when ${replies.id} = ${replyId} then ${param("after")}::int else 0 end
      order by ${chunks.n} limit ${sql.raw(String(MOST_BATCHES))}`;
    return withParts<ReadRow>(
      db,
      {
        found: sql`select ${sql.join(
          Object.entries(stateOf(table)).map(([name, column]) => sql`${column} as ${sql.identifier(name)}`),
          sql`, `,
        )}, next.n, next.chunks from ${replies} cross join ${input({ lostBefore })} left join lateral (${next}) as next on true where ${ownReply(table)}`,
      },
      {
        replyId: sql`found."replyId"`,
        state: sql`found.state`,
        continues: sql`found.continues`,
        batches: sql`found.batches`,
        isLost: sql`found."isLost"`,
        n: sql`found.n`,
        chunks: sql`found.chunks`,
      } as never,
      sql`found order by found.n`,
    );
  }),
);

/** Asks the producer of the running reply to stop. */
export const stop = perTable((table) =>
  statement<StateRow>(table, "reply_stop", (db) => {
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

/** Removes a reply and its chunks, whatever its state. */
export const remove = perTable((table) =>
  statement<{ replyId: string }>(table, "reply_delete", (db) => {
    const { replies } = repliesOf(table);
    return db
      .delete(replies)
      .where(sql`${ownReply(table)} and ${replies.id} = ${replyId}`)
      .returning({ replyId: replies.id });
  }),
);

export interface WatchedRow extends Partial<StateRow> {
  revision: string;
}

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
