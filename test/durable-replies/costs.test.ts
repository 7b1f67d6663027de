/** Each call of `sessions.replies` is one statement and one round trip. */
import { sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/postgres-js";
import { expect, it } from "vitest";
import { first } from "../support/answer.js";
import { countingProxy } from "../support/counting-proxy.js";
import {
  durableDatabase,
  newUser,
  openConnected,
  openNodePostgres,
  openPostgresJs,
  rawClient,
} from "../support/database.js";
import { durableFor, REPLY_CASES, replyOf } from "../support/replies.js";
import { allStatements, SEVEN_COLUMNS } from "../support/statements.js";

const cases = REPLY_CASES.filter(({ waits }) => !waits);
const url = await durableDatabase();
const plain = openPostgresJs(url);

it("each call is one statement, and the catalogue sends all statements of durable replies", async () => {
  const sent: string[] = [];
  const logger = { logQuery: (query: string) => void sent.push(query) };
  const client = rawClient(url, { max: 1 });
  const db = drizzle({ client, logger });
  const texts = new Set<string>();
  for (const { name, before, send } of cases) {
    const user = newUser();
    const given = await replyOf(durableFor(plain, user), plain, before);
    sent.length = 0;
    await send(durableFor(db, user), given).catch(() => {});
    expect({ name, sent }).toEqual({ name, sent: [expect.any(String)] });
    for (const text of sent) texts.add(text);
  }
  const user = newUser();
  const { id } = await durableFor(plain, user).create();
  sent.length = 0;
  await first(durableFor(db, user).watch(id));
  expect(sent).toHaveLength(1);
  expect(texts.size + 1).toBe((await allStatements(SEVEN_COLUMNS, ["durable-replies"])).size);
});

it("what waits sends its statement again only when there is news, or after a while", async () => {
  const sent: string[] = [];
  const db = drizzle({ client: rawClient(url), logger: { logQuery: (query) => void sent.push(query) } });
  const sessions = durableFor(db, newUser());
  const { id, replyId } = await replyOf(sessions, plain, "running");
  sent.length = 0;
  await sessions.replies.read(id, { replyId, after: 1, waitMs: 1_100 });
  // Without a listener it looks every half a second.
  expect(sent.length).toBeGreaterThan(1);
  expect(sent.length).toBeLessThanOrEqual(4);
});

const DRIVERS = {
  "postgres.js": async (through: string) => openPostgresJs(through, { max: 1 }),
  "postgres.js, connect()": (through: string) => openConnected(through, { max: 1 }),
  "node-postgres": async (through: string) => openNodePostgres(through, { max: 1 }),
};

it.each(Object.entries(DRIVERS))(
  "%s: each call is one round trip once the connection has made it before",
  async (_, open) => {
    const proxy = await countingProxy(url);
    const db = await open(proxy.url);
    await db.select({ one: sql`1` }).from(sql`(select) as one`);
    const trips: Record<string, number> = {};
    for (const { name, before, send } of [...cases, ...cases]) {
      const user = newUser();
      const given = await replyOf(durableFor(plain, user), plain, before);
      const counted = proxy.roundTrips;
      await send(durableFor(db, user), given).catch(() => {});
      trips[name] = proxy.roundTrips - counted;
    }
    expect(trips).toEqual(Object.fromEntries(cases.map(({ name }) => [name, 1])));
  },
);
