import pg from "pg";
import type { JourneyMessage } from "../../src/index.js";
import type { Contestant, Session } from "./contestant.js";

/** For node-postgres, to keep its connections as postgres.js does. */
const KEEP_IDLE = { idleTimeoutMillis: 0 };

export const voltagent: Contestant = {
  name: "VoltAgent",
  kind: "published",
  about:
    "@voltagent/postgres 2.1.2: addMessage reads the conversation and upserts the message in a transaction; 8 statements a turn, from a pool twice as large since each call takes two connections",
  async open({ url, connections }) {
    // Outside production it looks up a list of models on the network as soon as it is loaded.
    process.env.NODE_ENV ??= "production";
    const { PostgreSQLMemoryAdapter } = await import("@voltagent/postgres");
    const memory = new PostgreSQLMemoryAdapter({
      connection: { ...addressOf(url), ...KEEP_IDLE },
      // addMessage waits for a second connection while it holds the first: as many calls as the pool
      // has connections would wait for one another without end.
      maxConnections: 2 * connections,
    });
    // Made in the constructor; every call waits for the tables.
    await memory.getConversation("");
    const bulk = new pg.Pool({ connectionString: url, max: 1, ...KEEP_IDLE });

    const create = (id: string, userId: string) =>
      memory.createConversation({ id, userId, resourceId: userId, title: "", metadata: {} });
    const append = ({ id, userId }: Session, message: JourneyMessage) =>
      memory.addMessage(message as Parameters<typeof memory.addMessage>[0], userId, id);

    const page = async (userId: string, orderBy: "created_at" | "updated_at") => {
      const conversations = await memory.queryConversations({
        userId,
        orderBy,
        orderDirection: "DESC",
        limit: 20,
      });
      return conversations.length;
    };

    return {
      tables: ["voltagent_memory_conversations", "voltagent_memory_messages"],
      async seed({ id, userId }, messages) {
        await create(id, userId);
        // Not addMessages: it gives all the same created_at, by which the messages are ordered.
        await bulk.query(
          `insert into voltagent_memory_messages
             (conversation_id, message_id, user_id, role, parts, metadata, format_version, created_at)
           select $1, m.id, $2, m.role, m.parts, m.metadata, 2,
             date_trunc('ms', now()) - ($3::int - nr + 1) * interval '1 ms'
           from rows from (json_to_recordset($4) as (id text, role text, parts jsonb, metadata jsonb))
             with ordinality as m (id, role, parts, metadata, nr)`,
          [id, userId, messages.length, JSON.stringify(messages)],
        );
      },
      async first(session, message) {
        await create(session.id, session.userId);
        await append(session, message);
      },
      async turn(session, user, assistant) {
        await append(session, user);
        await append(session, assistant);
      },
      append,
      async grow(session, versions) {
        for (const version of versions) await append(session, version);
      },
      async open({ id, userId }) {
        return (await memory.getMessages(userId, id)).length;
      },
      async last({ id, userId }) {
        return (await memory.getMessages(userId, id, { limit: 20 })).length;
      },
      list: (userId) => page(userId, "created_at"),
      updated: (userId) => page(userId, "updated_at"),
      // updateConversation replaces the metadata as a whole.
      async merge({ id }, patch) {
        const conversation = await memory.getConversation(id);
        await memory.updateConversation(id, { metadata: { ...conversation?.metadata, ...patch } });
      },
      // It has no call for this; these three do it.
      async fork({ id, userId }, newId) {
        const messages = await memory.getMessages(userId, id);
        await create(newId, userId);
        await memory.addMessages(messages, userId, newId);
      },
      async close() {
        await memory.close();
        await bulk.end();
      },
    };
  },
};

/** The adapter takes a pool's further options beside these, and not beside a URL. */
function addressOf(url: string) {
  const { hostname, port, pathname, username, password } = new URL(url);
  return {
    host: hostname,
    port: Number(port || 5432),
    database: decodeURIComponent(pathname.slice(1)),
    user: decodeURIComponent(username),
    password: decodeURIComponent(password),
  };
}
