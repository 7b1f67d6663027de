/**
 * What each contestant imports and calls first, as published or built, without a bundler. Nothing
 * of it is imported before `load`.
 *
 * setUp: makes the tables, in a process of its own.
 * load: the import that is timed.
 * call: the first call that is timed, connection included. Answers how many sessions it found, and
 * what ends the connections.
 */
const USER = "user_cold_start";

const migrated = async (url) => {
  const { connect } = await import("../../dist/index.js");
  const { migrate } = await import("../../dist/migrate.js");
  const { db, close } = await connect({ url, max: 1 });
  await migrate(db);
  await close();
};

const mastra = ({ PostgresStore }, connectionString) =>
  new PostgresStore({ id: "cold-start", connectionString });

export const cases = {
  "ours, postgres.js": {
    setUp: migrated,
    load: () => import("../../dist/index.js"),
    async call({ connect, forUser }, url) {
      const { db, close } = await connect({ url });
      const { sessions } = await forUser(db, USER).list();
      return { found: sessions.length, close };
    },
  },

  "ours, node-postgres": {
    setUp: migrated,
    async load() {
      const [ours, { drizzle }] = await Promise.all([
        import("../../dist/index.js"),
        import("drizzle-orm/node-postgres"),
      ]);
      return { ...ours, drizzle };
    },
    async call({ forUser, drizzle }, url) {
      // Drizzle makes the pool: a second copy of pg, of the benchmark's other packages, is installed here.
      const db = drizzle({ connection: url });
      const { sessions } = await forUser(db, USER).list();
      return { found: sessions.length, close: () => db.$client.end() };
    },
  },

  "postgres.js alone": {
    setUp: migrated,
    load: () => import("postgres"),
    async call({ default: postgres }, url) {
      const sql = postgres(url, { fetch_types: false });
      const rows = await sql`
        select id, user_id, phase, metadata, created_at, updated_at from journey_sessions
        where user_id = ${USER} order by created_at desc, id desc limit 21`;
      return { found: rows.length, close: () => sql.end() };
    },
  },

  "Drizzle, postgres.js": {
    setUp: migrated,
    async load() {
      const [{ desc, eq }, { drizzle }, table, { default: postgres }] = await Promise.all([
        import("drizzle-orm"),
        import("drizzle-orm/postgres-js"),
        import("./table.js"),
        import("postgres"),
      ]);
      return { desc, eq, drizzle, ...table, postgres };
    },
    async call({ desc, eq, drizzle, sessions, postgres }, url) {
      const client = postgres(url, { fetch_types: false });
      const { messages: _, ...columns } = sessions;
      const rows = await drizzle({ client })
        .select(columns)
        .from(sessions)
        .where(eq(sessions.userId, USER))
        .orderBy(desc(sessions.createdAt), desc(sessions.id))
        .limit(21);
      return { found: rows.length, close: () => client.end() };
    },
  },

  Mastra: {
    async setUp(url) {
      const store = mastra(await import("@mastra/pg"), url);
      await store.init();
      await store.close();
    },
    load: () => import("@mastra/pg"),
    async call(module, url) {
      const store = mastra(module, url);
      const memory = await store.getStore("memory");
      const { threads } = await memory.listThreads({ filter: { resourceId: USER }, perPage: 20 });
      return { found: threads.length, close: () => store.close() };
    },
  },

  VoltAgent: {
    // It makes what is missing whenever it is opened, and the first call waits for that.
    async setUp(url) {
      const { close } = await this.call(await this.load(), url);
      await close();
    },
    load: () => import("@voltagent/postgres"),
    async call({ PostgreSQLMemoryAdapter }, url) {
      const adapter = new PostgreSQLMemoryAdapter({ connection: url });
      const conversations = await adapter.getConversationsByUserId(USER, { limit: 20 });
      return { found: conversations.length, close: () => adapter.close() };
    },
  },

  LangGraph: {
    async setUp(url) {
      const { PostgresSaver } = await this.load();
      const saver = PostgresSaver.fromConnString(url);
      await saver.setup();
      await saver.end();
    },
    load: () => import("@langchain/langgraph-checkpoint-postgres"),
    async call({ PostgresSaver }, url) {
      const saver = PostgresSaver.fromConnString(url);
      const tuple = await saver.getTuple({ configurable: { thread_id: USER } });
      return { found: tuple ? 1 : 0, close: () => saver.end() };
    },
  },
};
