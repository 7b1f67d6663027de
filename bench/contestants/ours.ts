import { drizzle } from "drizzle-orm/node-postgres";
import pg from "pg";
// The build: tsx would add calls to every function of the sources.
import { connect, type Database, defineJourney } from "../../dist/index.js";
import { messagesTable } from "../../dist/message-rows.js";
import { migrate } from "../../dist/migrate.js";
import { journeySessions } from "../../dist/schema.js";
import type { Contestant, Session, Store } from "./contestant.js";

/** The longest conversations of the benchmark are over the default limit. */
export const OPTIONS = { maxSessionBytes: 0x0fffffff, timeoutMs: 60_000 };

/** Where messages are kept, and the migrations that this takes. */
interface Layout {
  options: { messages?: ReturnType<typeof messagesTable<typeof journeySessions>> };
  with: readonly "message-rows"[];
  tables: readonly string[];
  longest?: number;
}
const COLUMN: Layout = { options: {}, with: [], tables: ["journey_sessions"], longest: 20_000 };
const ROWS: Layout = {
  options: { messages: messagesTable(journeySessions) },
  with: ["message-rows"],
  tables: ["journey_sessions", "journey_messages"],
};

interface Opened {
  db: Database;
  /** The driver's part of the options of `defineJourney`. */
  options: { prepare?: boolean };
  close(): Promise<void>;
}
type Open = (url: string, max: number) => Promise<Opened>;

const overPostgresJs =
  (pooled: boolean): Open =>
  async (url, max) => ({
    ...(await connect({ url, max, pooled, statementTimeoutMs: OPTIONS.timeoutMs })),
    options: {},
  });

const overNodePostgres =
  (prepare: boolean): Open =>
  async (connectionString, max) => {
    // Idle connections are kept: opening them again would count as a call's.
    const client = new pg.Pool({ connectionString, max, idleTimeoutMillis: 0 });
    client.on("error", () => {});
    return { db: drizzle({ client }), options: { prepare }, close: () => client.end() };
  };

function storeOf({ db, options, close }: Opened, layout: Layout): Store {
  const journey = defineJourney({ ...OPTIONS, ...options, ...layout.options });
  // A handle lives as long as a request, so each call creates one.
  const sessionsOf = ({ userId }: Pick<Session, "userId">) => journey.forUser(db, userId);
  return {
    tables: layout.tables,
    async seed(session, messages) {
      await sessionsOf(session).create({ id: session.id, messages });
    },
    async first(session, message) {
      await sessionsOf(session).append(session.id, message, { create: true });
    },
    // As in README: only a user's message may create the session.
    async turn(session, user, assistant) {
      await sessionsOf(session).append(session.id, user, { create: true });
      await sessionsOf(session).append(session.id, assistant);
    },
    async append(session, message) {
      await sessionsOf(session).append(session.id, message);
    },
    async grow(session, versions) {
      for (const version of versions) await sessionsOf(session).append(session.id, version);
    },
    open: async (session) => (await sessionsOf(session).get(session.id))?.messages.length ?? 0,
    last: async (session) => (await sessionsOf(session).messages(session.id, { limit: 20 })).messages.length,
    list: async (userId) => (await sessionsOf({ userId }).list()).sessions.length,
    updated: async (userId) => (await sessionsOf({ userId }).list({ orderBy: "updated" })).sessions.length,
    async merge(session, patch) {
      await sessionsOf(session).mergeMetadata(session.id, patch);
    },
    async fork(session, newId) {
      await sessionsOf(session).fork(session.id, { id: newId });
    },
    close,
  };
}

const ours = (name: string, about: string, open: Open, layout: Layout) =>
  ({
    name: `ours, ${name}`,
    kind: "ours",
    about,
    longest: layout.longest,
    async open({ url, connections }) {
      const opened = await open(url, connections);
      await migrate(opened.db, { with: layout.with });
      return storeOf(opened, layout);
    },
  }) satisfies Contestant;

const TURN = "one statement a call, 2 a turn";

export const direct: readonly Contestant[] = [
  ours("postgres.js", `this package over connect(): ${TURN}, prepared`, overPostgresJs(false), COLUMN),
  ours(
    "node-postgres",
    `this package over a node-postgres pool: ${TURN}, prepared`,
    overNodePostgres(true),
    COLUMN,
  ),
  ours(
    "message rows, postgres.js",
    `this package over connect(), with messagesTable: ${TURN}, prepared`,
    overPostgresJs(false),
    ROWS,
  ),
  ours(
    "message rows, node-postgres",
    `this package over a node-postgres pool, with messagesTable: ${TURN}, prepared`,
    overNodePostgres(true),
    ROWS,
  ),
];

export const pooled: readonly Contestant[] = [
  {
    ...ours(
      "postgres.js, pgbouncer",
      `connect({ pooled: true }) through pgbouncer: ${TURN}, not prepared`,
      overPostgresJs(true),
      COLUMN,
    ),
    through: "pooler",
  },
  {
    ...ours(
      "node-postgres, pgbouncer",
      `defineJourney({ prepare: false }) through pgbouncer: ${TURN}, not prepared`,
      overNodePostgres(false),
      COLUMN,
    ),
    through: "pooler",
  },
];
