import { randomUUID } from "node:crypto";
import postgres from "postgres";
import type { JourneyMessage } from "../../src/index.js";
import type { Contestant, Session } from "./contestant.js";

/** A thread's active leaf is the last message of the branch that is shown; each message names its parent. */
const SCHEMA = `
  create table ai_sdk_threads (
    id text primary key,
    user_id text,
    title text,
    visibility text not null default 'private',
    active_leaf_id text,
    active_stream_id text,
    metadata jsonb,
    created_at timestamptz(3) not null default now(),
    updated_at timestamptz(3) not null default now()
  );
  create index on ai_sdk_threads (user_id, created_at, id);
  create table ai_sdk_messages (
    id text primary key,
    thread_id text not null references ai_sdk_threads on delete cascade,
    parent_id text,
    role text not null,
    parts jsonb not null,
    metadata jsonb,
    sdk_version smallint not null default 7,
    created_at timestamptz(3) not null default now()
  );
  create index on ai_sdk_messages (thread_id)`;

interface Row {
  id: string;
  parent_id: string | null;
  role: string;
  parts: unknown;
  metadata: unknown;
}

/** From the first message to the leaf. */
function branch(rows: Row[], leaf: string | null): Row[] {
  const byId = new Map(rows.map((row) => [row.id, row]));
  const path: Row[] = [];
  for (let row = byId.get(leaf ?? ""); row; row = byId.get(row.parent_id ?? "")) path.push(row);
  return path.reverse();
}

/** Left out: updated, since it lists by creation only; fork, since it branches within a thread. */
export const aiSdkThreads: Contestant = {
  name: "ai-sdk-threads",
  kind: "statements",
  about:
    "ai-sdk-threads 0.1.5, which is not on npm, without its validation: whose the thread is, then a transaction a message that locks the thread, inserts a row with its parent and moves the active leaf; 11 statements a turn. It reads all messages of a thread, also for the last 20, and keeps each version of a message that is replaced",
  async open({ url, connections }) {
    const sql = postgres(url, { max: connections, fetch_types: false, onnotice: () => {} });
    await sql.unsafe(SCHEMA);
    const json = (value: unknown) => (value == null ? null : sql.json(value as postgres.JSONValue));
    const now = () => new Date().toISOString();

    /** An application compares the owner: the other statements do not. */
    async function threadOf({ id, userId }: Session) {
      const [thread] = await sql`select * from ai_sdk_threads where id = ${id} limit 1`;
      if (thread && thread.user_id !== userId) throw new Error("the thread is another user's");
      return thread;
    }
    const create = ({ id, userId }: Session) => sql`
      insert into ai_sdk_threads (id, user_id, title, metadata) values (${id}, ${userId}, null, null)
      returning *`;
    const moveLeaf = (tx: postgres.TransactionSql, threadId: string, leaf: string) => tx`
      update ai_sdk_threads set active_leaf_id = ${leaf}, updated_at = ${now()} where id = ${threadId}`;
    const lock = (tx: postgres.TransactionSql, threadId: string) => tx`
      select active_leaf_id from ai_sdk_threads where id = ${threadId} limit 1 for update`;

    async function append({ id: threadId }: Session, { id, role, parts, metadata }: JourneyMessage) {
      await sql.begin(async (tx) => {
        const [thread] = await lock(tx, threadId);
        await tx`
          insert into ai_sdk_messages (id, thread_id, parent_id, role, parts, metadata, sdk_version)
          values (${id}, ${threadId}, ${thread?.active_leaf_id ?? null}, ${role}, ${json(parts)},
            ${json(metadata)}, 7)
          returning *`;
        await moveLeaf(tx, threadId, id);
      });
    }
    /** The version that was there gets another id, and with it the messages that answered it. */
    async function replace({ id: threadId }: Session, { id, parts, metadata }: JourneyMessage) {
      await sql.begin(async (tx) => {
        await lock(tx, threadId);
        const [current] = await tx`
          select * from ai_sdk_messages where id = ${id} and thread_id = ${threadId} limit 1`;
        if (!current) throw new Error(`no message ${id}`);
        const archived = randomUUID();
        await tx`
          insert into ai_sdk_messages
            (id, thread_id, parent_id, role, parts, metadata, sdk_version, created_at)
          values (${archived}, ${threadId}, ${current.parent_id}, ${current.role}, ${json(current.parts)},
            ${json(current.metadata)}, ${current.sdk_version}, ${current.created_at})`;
        await tx`
          update ai_sdk_messages set parent_id = ${archived}
          where thread_id = ${threadId} and parent_id = ${id} and id <> ${archived}`;
        await tx`
          update ai_sdk_messages
          set parts = ${json(parts)}, metadata = ${json(metadata)}, sdk_version = 7, created_at = ${now()}
          where id = ${id}
          returning *`;
        await moveLeaf(tx, threadId, id);
      });
    }
    async function load(session: Session): Promise<Row[]> {
      await threadOf(session);
      const { id } = session;
      const [thread] = await sql<{ active_leaf_id: string | null }[]>`
        select active_leaf_id from ai_sdk_threads where id = ${id} limit 1`;
      const rows = await sql<Row[]>`select * from ai_sdk_messages where thread_id = ${id}`;
      return branch(rows, thread?.active_leaf_id ?? null);
    }

    return {
      tables: ["ai_sdk_threads", "ai_sdk_messages"],
      async seed(session, messages) {
        const { id } = session;
        await sql`
          insert into ai_sdk_threads (id, user_id, active_leaf_id)
          values (${id}, ${session.userId}, ${messages.at(-1)?.id ?? null})`;
        await sql`
          insert into ai_sdk_messages (id, thread_id, parent_id, role, parts, metadata)
          select m.id, ${id}, lag(m.id) over (order by nr), m.role, m.parts, m.metadata
          from rows from (json_to_recordset(${json(messages)}::json)
              as (id text, role text, parts jsonb, metadata jsonb))
            with ordinality as m (id, role, parts, metadata, nr)`;
      },
      async first(session, message) {
        if (!(await threadOf(session))) await create(session);
        await append(session, message);
      },
      async turn(session, user, assistant) {
        await threadOf(session);
        await append(session, user);
        await append(session, assistant);
      },
      append,
      async grow(session, [first, ...later]) {
        if (first) await append(session, first);
        for (const version of later) await replace(session, version);
      },
      open: async (session) => (await load(session)).length,
      last: async (session) => (await load(session)).slice(-20).length,
      async list(userId) {
        // One more than a page, as the design asks to know whether there is another.
        const threads = await sql`
          select * from ai_sdk_threads where user_id = ${userId}
          order by created_at desc, id desc limit 21`;
        return threads.slice(0, 20).length;
      },
      // updateThread replaces the metadata as a whole.
      async merge(session, patch) {
        const thread = await threadOf(session);
        await sql`
          update ai_sdk_threads set metadata = ${json({ ...thread?.metadata, ...patch })}, updated_at = ${now()}
          where id = ${session.id}
          returning *`;
      },
      close: () => sql.end(),
    };
  },
};
