import { randomUUID } from "node:crypto";
import pg from "pg";
import { expect, it } from "vitest";
import { forUser } from "../../src/index.js";
import { migratedDatabase, newUser, openPostgresJs } from "../support/database.js";
import { idsOf, text } from "../support/messages.js";
import { startPgbouncer } from "../support/pgbouncer.js";
import { POOLED } from "../support/pooled.js";

const CLIENTS = 32;
const SERVER_CONNECTIONS = 4;
const APPENDS = 15;

const pooler = await startPgbouncer({ serverConnections: SERVER_CONNECTIONS });

/** What the pooler itself says of its connections for the database. */
async function connectionsOf(url: string): Promise<{ clients: number; servers: number }> {
  const { pathname } = new URL(url);
  const console = new URL(pooler.through(url));
  console.pathname = "/pgbouncer";
  const client = new pg.Client({ connectionString: console.href });
  await client.connect();
  const count = async (what: string) =>
    (await client.query(`show ${what}`)).rows.filter(({ database }) => `/${database}` === pathname).length;
  const counts = { clients: await count("clients"), servers: await count("servers") };
  await client.end();
  return counts;
}

it.each(Object.entries(POOLED))(
  "%s: 32 clients append over 4 server connections, and nothing is lost, mixed up or out of order",
  async (_, open) => {
    const url = await migratedDatabase();
    const pooled = await open(pooler.through(url), CLIENTS);
    const owner = newUser();
    const shared = randomUUID();
    const clients = Array.from({ length: CLIENTS }, (_, client) => ({
      userId: newUser(),
      id: randomUUID(),
      messages: Array.from({ length: APPENDS }, (_, n) => text(`${client}:${n}`)),
    }));
    await Promise.all(
      clients.map(async ({ userId, id, messages }) => {
        for (const message of messages) {
          await pooled.forUser(pooled.db, owner).append(shared, message, { create: true });
          await pooled.forUser(pooled.db, userId).append(id, message, { create: true });
        }
      }),
    );
    await expect.poll(() => connectionsOf(url)).toEqual({ clients: CLIENTS, servers: SERVER_CONNECTIONS });

    // Read past the pooler.
    const direct = openPostgresJs(url);
    const stored = (await forUser(direct, owner).get(shared))?.messages ?? [];
    expect(stored).toHaveLength(CLIENTS * APPENDS);
    for (const [client, { userId, id, messages }] of clients.entries()) {
      expect(idsOf(stored).filter((message) => message.startsWith(`${client}:`))).toEqual(idsOf(messages));
      const sessions = forUser(direct, userId);
      expect((await sessions.get(id))?.messages).toEqual(messages);
      expect(await sessions.count()).toBe(1);
    }
  },
);

it.each(Object.entries(POOLED))(
  "%s: many more calls at once than connections are all answered, each with its own answer",
  async (_, open) => {
    const { db, forUser: pooled } = await open(pooler.through(await migratedDatabase()), 5);
    const owners = Array.from({ length: 200 }, () => newUser());
    const created = await Promise.all(
      owners.map((userId) => pooled(db, userId).create({ messages: [text(userId)] })),
    );
    const found = await Promise.all(created.map(({ id, userId }) => pooled(db, userId).get(id)));
    expect(created.map(({ userId }) => userId)).toEqual(owners);
    expect(found).toEqual(created);
  },
);
