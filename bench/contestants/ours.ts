import { drizzle } from "drizzle-orm/node-postgres";
import pg from "pg";
// The build: tsx would add calls to every function of the sources.
import { connect, type Database, defineJourney } from "../../dist/index.js";
import { migrate } from "../../dist/migrate.js";
import type { Contestant, Session, Store } from "./contestant.js";

/** The longest conversations of the benchmark are over the default limit. */
export const OPTIONS = { maxSessionBytes: 0x0fffffff, timeoutMs: 60_000 };

interface Opened {
  db: Database;
  journey: Pick<ReturnType<typeof defineJourney>, "forUser">;
  close(): Promise<void>;
}

const overPostgresJs =
  (pooled: boolean) =>
  async (url: string, max: number): Promise<Opened> => ({
    ...(await connect({ url, max, pooled, statementTimeoutMs: OPTIONS.timeoutMs })),
    journey: defineJourney(OPTIONS),
  });

const overNodePostgres =
  (prepare: boolean) =>
  async (connectionString: string, max: number): Promise<Opened> => {
    // Idle connections are kept: opening them again would count as a call's.
    const client = new pg.Pool({ connectionString, max, idleTimeoutMillis: 0 });
    client.on("error", () => {});
    return {
      db: drizzle({ client }),
      journey: defineJourney({ ...OPTIONS, prepare }),
      close: () => client.end(),
    };
  };

function storeOf({ db, journey, close }: Opened): Store {
  // A handle lives as long as a request, so each call creates one.
  const sessionsOf = ({ userId }: Pick<Session, "userId">) => journey.forUser(db, userId);
  return {
    tables: ["journey_sessions"],
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

const ours = (name: string, about: string, open: (url: string, max: number) => Promise<Opened>) =>
  ({
    name: `ours, ${name}`,
    kind: "ours",
    about,
    longest: 20_000,
    async open({ url, connections }) {
      const opened = await open(url, connections);
      await migrate(opened.db);
      return storeOf(opened);
    },
  }) satisfies Contestant;

const TURN = "one statement a call, 2 a turn";

export const direct: readonly Contestant[] = [
  ours("postgres.js", `this package over connect(): ${TURN}, prepared`, overPostgresJs(false)),
  ours("node-postgres", `this package over a node-postgres pool: ${TURN}, prepared`, overNodePostgres(true)),
];

export const pooled: readonly Contestant[] = [
  {
    ...ours(
      "postgres.js, pgbouncer",
      `connect({ pooled: true }) through pgbouncer: ${TURN}, not prepared`,
      overPostgresJs(true),
    ),
    through: "pooler",
  },
  {
    ...ours(
      "node-postgres, pgbouncer",
      `defineJourney({ prepare: false }) through pgbouncer: ${TURN}, not prepared`,
      overNodePostgres(false),
    ),
    through: "pooler",
  },
];
