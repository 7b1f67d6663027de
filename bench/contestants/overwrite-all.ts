import postgres from "postgres";
import type { JourneyMessage } from "../../src/index.js";
import type { Contestant } from "./contestant.js";

/** The documentation stores a file per chat; here it is a row. */
const SCHEMA = `
  create table chats (
    id uuid primary key,
    user_id text not null,
    messages jsonb not null,
    created_at timestamptz not null default now()
  );
  create index on chats (user_id, created_at)`;

/** Left out: merge, since a chat is its messages. */
export const overwriteAll: Contestant = {
  name: "Overwrite all",
  kind: "statements",
  longest: 5000,
  about:
    "AI SDK documentation: loadChat before the model, saveChat of all messages after it; 2 statements a turn",
  async open({ url, connections }) {
    const sql = postgres(url, { max: connections, fetch_types: false, onnotice: () => {} });
    await sql.unsafe(SCHEMA);
    const json = (value: unknown) => sql.json(value as postgres.JSONValue);

    const createChat = (id: string, userId: string, messages: JourneyMessage[]) => sql`
      insert into chats (id, user_id, messages) values (${id}, ${userId}, ${json(messages)})`;
    async function loadChat(id: string): Promise<JourneyMessage[]> {
      const [chat] = await sql<{ messages: JourneyMessage[] }[]>`select messages from chats where id = ${id}`;
      if (!chat) throw new Error(`no chat ${id}`);
      return chat.messages;
    }
    const saveChat = (id: string, messages: JourneyMessage[]) => sql`
      update chats set messages = ${json(messages)} where id = ${id}`;

    return {
      tables: ["chats"],
      async seed({ id, userId }, messages) {
        await createChat(id, userId, messages);
      },
      async first({ id, userId }, message) {
        await createChat(id, userId, [message]);
      },
      // The user's message is stored with the answer, at the end: a turn that fails loses both.
      async turn({ id }, user, assistant) {
        const messages = await loadChat(id);
        await saveChat(id, [...messages, user, assistant]);
      },
      async append({ id }, message) {
        const messages = await loadChat(id);
        await saveChat(id, [...messages, message]);
      },
      async grow({ id }, versions) {
        const messages = await loadChat(id);
        for (const version of versions) await saveChat(id, [...messages, version]);
      },
      open: async ({ id }) => (await loadChat(id)).length,
      // It cannot read less.
      last: async ({ id }) => (await loadChat(id)).slice(-20).length,
      async list(userId) {
        const chats = await sql`
          select id, created_at from chats where user_id = ${userId} order by created_at desc limit 20`;
        return chats.length;
      },
      async fork({ id, userId }, newId) {
        await createChat(newId, userId, await loadChat(id));
      },
      close: () => sql.end(),
    };
  },
};
