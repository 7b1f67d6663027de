import { randomUUID } from "node:crypto";
import { drizzle } from "drizzle-orm/postgres-js";
import postgres from "postgres";
import { defineJourney, type JourneyMessage } from "../../dist/index.js";
import { migrate } from "../../dist/migrate.js";
import type { Contestant, Session } from "./contestant.js";
import { OPTIONS } from "./ours.js";

type Values = Record<string, unknown>;

/** A statement as this package sends it, with the names of the values that differ from call to call. */
interface Sent {
  text: string;
  params: { name: string | null; value: unknown }[];
}

const message: JourneyMessage = { id: "m1", role: "user", parts: [{ type: "text", text: "recorded" }] };
const patch = { recorded: true };

/**
 * Lets this package make each call once and records what it sends, so that texts and parameters are the same.
 */
async function record(url: string) {
  const sent: { text: string; params: unknown[] }[] = [];
  const client = postgres(url, { max: 1, fetch_types: false, onnotice: () => {} });
  const db = drizzle({ client, logger: { logQuery: (text, params) => sent.push({ text, params }) } });
  await migrate(db);
  const userId = `user_${randomUUID()}`;
  const sessions = defineJourney(OPTIONS).forUser(db, userId);
  const id = randomUUID();

  async function sentBy(call: () => Promise<unknown>, values: Values = {}): Promise<Sent> {
    sent.length = 0;
    await call();
    const [only, ...others] = sent;
    if (!only || others.length > 0) throw new Error(`expected one statement, received ${sent.length}`);
    const named = Object.entries({ id, userId, ...values });
    const names = new Map<unknown, string>(named.map(([name, value]) => [value, name]));
    const params = only.params.map((value) => ({ name: names.get(value) ?? null, value }));
    const missing = Object.keys(values).filter((name) => !params.some((param) => param.name === name));
    if (missing.length > 0) throw new Error(`the statement does not have ${missing}: ${only.text}`);
    return { text: only.text, params };
  }
  const seeded = randomUUID();
  const newId = randomUUID();
  const messages = JSON.stringify([message]);
  const statements = {
    create: await sentBy(() => sessions.create({ id: seeded, messages: [message] }), {
      id: seeded,
      messages,
    }),
    first: await sentBy(() => sessions.append(id, message, { create: true }), { messages }),
    append: await sentBy(() => sessions.append(id, message), { messages }),
    get: await sentBy(() => sessions.get(id)),
    last: await sentBy(() => sessions.messages(id, { limit: 20 })),
    list: await sentBy(() => sessions.list()),
    updated: await sentBy(() => sessions.list({ orderBy: "updated" })),
    merge: await sentBy(() => sessions.mergeMetadata(id, patch), { patch: JSON.stringify(patch) }),
    fork: await sentBy(() => sessions.fork(id, { id: newId }), { newId }),
  };
  await sessions.deleteAll();
  await client.end();
  return statements;
}

/** Objects and arrays come as text, as this package has them sent. */
const parsed = (value: unknown): unknown =>
  typeof value === "string" && /^[[{]/.test(value) ? JSON.parse(value) : value;

/** The connection is set up as connect() does. */
export const floor: Contestant = {
  name: "floor, postgres.js",
  kind: "floor",
  longest: 5000,
  about: "the statements of this package, prepared, through bare postgres.js: no Drizzle, no checks",
  async open({ url, connections }) {
    const statements = await record(url);
    const sql = postgres(url, {
      max: connections,
      idle_timeout: 20,
      fetch_types: false,
      onnotice: () => {},
      connection: { application_name: "journey-db", statement_timeout: OPTIONS.timeoutMs },
    });

    async function send({ text, params }: Sent, values: Values): Promise<unknown[][]> {
      const filled = params.map(({ name, value }) => (name === null ? value : values[name]));
      const rows = await sql
        .unsafe<Record<string, unknown>[]>(text, filled as postgres.ParameterOrJSON<never>[], {
          prepare: true,
        })
        .values();
      return rows.map((row) => row.map(parsed));
    }
    /** No row is a refusal. */
    async function one(statement: Sent, values: Values): Promise<unknown[]> {
      const [row] = await send(statement, values);
      if (!row) throw new Error("nothing was found");
      return row;
    }
    /** A conversation comes after what is told of its session, which is an array too. */
    const arrayIn = (row: unknown[]) => row.findLast(Array.isArray) as unknown[];
    const append = (statement: Sent, { id, userId }: Session, added: JourneyMessage) =>
      one(statement, { id, userId, messages: JSON.stringify([added]) });

    return {
      tables: ["journey_sessions"],
      async seed({ id, userId }, messages) {
        await one(statements.create, { id, userId, messages: JSON.stringify(messages) });
      },
      async first(session, user) {
        await append(statements.first, session, user);
      },
      async turn(session, user, assistant) {
        await append(statements.first, session, user);
        await append(statements.append, session, assistant);
      },
      async append(session, added) {
        await append(statements.append, session, added);
      },
      async grow(session, versions) {
        for (const version of versions) await append(statements.append, session, version);
      },
      open: async ({ id, userId }) => arrayIn(await one(statements.get, { id, userId })).length,
      last: async ({ id, userId }) => arrayIn(await one(statements.last, { id, userId })).length,
      // One more than a page, as this package asks to know whether there is another.
      list: async (userId) => (await send(statements.list, { userId })).slice(0, 20).length,
      updated: async (userId) => (await send(statements.updated, { userId })).slice(0, 20).length,
      async merge({ id, userId }, added) {
        await one(statements.merge, { id, userId, patch: JSON.stringify(added) });
      },
      async fork({ id, userId }, newId) {
        await one(statements.fork, { id, userId, newId });
      },
      close: () => sql.end(),
    };
  },
};
