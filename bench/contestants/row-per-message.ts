import postgres from "postgres";
import type { Contestant, Session } from "./contestant.js";

/** OID of `json`: a parameter declared as jsonb would be parsed and written out again by the server. */
const JSON_OID = 114;

/** The indexes are ours: the design has none beside its primary keys. */
const SCHEMA = `
  create table "Chat" (
    "id" uuid primary key,
    "createdAt" timestamp not null,
    "title" text not null,
    "userId" text not null,
    "visibility" varchar not null default 'private'
  );
  create index on "Chat" ("userId", "createdAt");
  create table "Message_v2" (
    "id" text primary key,
    "chatId" uuid not null references "Chat" ("id"),
    "role" varchar not null,
    "parts" json not null,
    "attachments" json not null,
    "createdAt" timestamp not null
  );
  create index on "Message_v2" ("chatId", "createdAt")`;

/** Left out: merge, since a chat has no column for it. */
export const rowPerMessage: Contestant = {
  name: "Row per message",
  kind: "statements",
  about:
    "vercel/chatbot: whose the chat is, then one insert a message: 3 statements a turn; with the indexes (chatId, createdAt) and (userId, createdAt) that it lacks",
  async open({ url, connections }) {
    const sql = postgres(url, { max: connections, fetch_types: false, onnotice: () => {} });
    await sql.unsafe(SCHEMA);
    const json = (value: unknown) => sql.typed(value, JSON_OID) as postgres.Parameter;
    const now = () => new Date().toISOString();

    /** The design checks the owner once per request, since its other statements do not. */
    async function isOwners({ id, userId }: Session): Promise<boolean> {
      const [chat] = await sql`
        select "id", "createdAt", "title", "userId", "visibility" from "Chat" where "id" = ${id}`;
      if (chat && chat.userId !== userId) throw new Error("the chat is another user's");
      return chat !== undefined;
    }
    const addChat = (id: string, userId: string) => sql`
      insert into "Chat" ("id", "createdAt", "userId", "title", "visibility")
      values (${id}, ${now()}, ${userId}, 'New chat', 'private')`;
    const addMessage = (
      chatId: string,
      { id, role, parts }: { id: string; role: string; parts: unknown },
    ) => sql`
      insert into "Message_v2" ("id", "chatId", "role", "parts", "attachments", "createdAt")
      values (${id}, ${chatId}, ${role}, ${json(parts)}, ${json([])}, ${now()})`;

    return {
      tables: ["Chat", "Message_v2"],
      async seed({ id, userId }, messages) {
        await addChat(id, userId);
        // A millisecond apart, and all before what is added next.
        await sql`
          insert into "Message_v2" ("id", "chatId", "role", "parts", "attachments", "createdAt")
          select m.id, ${id}, m.role, m.parts, '[]',
            date_trunc('ms', now() at time zone 'UTC') - (${messages.length}::int - nr + 1) * interval '1 ms'
          from rows from (json_to_recordset(${json(messages)}) as (id text, role text, parts json))
            with ordinality as m (id, role, parts, nr)`;
      },
      async first(session, message) {
        const { id, userId } = session;
        if (!(await isOwners(session))) await addChat(id, userId);
        await addMessage(id, message);
      },
      async turn(session, user, assistant) {
        const { id } = session;
        await isOwners(session);
        await addMessage(id, user);
        await addMessage(id, assistant);
      },
      async append({ id }, message) {
        await addMessage(id, message);
      },
      async grow({ id: chatId }, [first, ...later]) {
        if (first) await addMessage(chatId, first);
        for (const { id, parts } of later) {
          await sql`update "Message_v2" set "parts" = ${json(parts)} where "id" = ${id}`;
        }
      },
      async open(session) {
        const { id } = session;
        await isOwners(session);
        const messages = await sql`
          select "id", "chatId", "role", "parts", "attachments", "createdAt"
          from "Message_v2" where "chatId" = ${id} order by "createdAt"`;
        return messages.length;
      },
      async last(session) {
        const { id } = session;
        await isOwners(session);
        const messages = await sql`
          select "id", "chatId", "role", "parts", "attachments", "createdAt"
          from "Message_v2" where "chatId" = ${id} order by "createdAt" desc limit 20`;
        return messages.reverse().length;
      },
      async list(userId) {
        // One more than a page, as the design asks to know whether there is another.
        const chats = await sql`
          select "id", "createdAt", "title", "userId", "visibility"
          from "Chat" where "userId" = ${userId} order by "createdAt" desc limit 21`;
        return chats.slice(0, 20).length;
      },
      async fork({ id }, newId) {
        await sql`
          with chat as (
            insert into "Chat" ("id", "createdAt", "title", "userId", "visibility")
            select ${newId}::uuid, ${now()}::timestamp, "title", "userId", "visibility"
            from "Chat" where "id" = ${id}
            returning "id"
          )
          insert into "Message_v2" ("id", "chatId", "role", "parts", "attachments", "createdAt")
          select gen_random_uuid()::text, chat."id", m."role", m."parts", m."attachments", m."createdAt"
          from "Message_v2" m, chat where m."chatId" = ${id}`;
      },
      close: () => sql.end(),
    };
  },
};
