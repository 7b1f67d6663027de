/**
 * Every method on a database whose Drizzle logger is left as it is, with the canary in every input:
 * answered, refused, and failing. Ends by itself; prints "done" and whatever is printed on the way.
 */
import { PGlite } from "@electric-sql/pglite";
import { sql } from "drizzle-orm";
import { drizzle as overNodePostgres } from "drizzle-orm/node-postgres";
import { drizzle as overPglite } from "drizzle-orm/pglite";
import { drizzle as overPostgresJs } from "drizzle-orm/postgres-js";
import pg from "pg";
import postgres from "postgres";
import { connect } from "../../src/index.js";
import { migrate, verify } from "../../src/migrate.js";
import type { Database } from "../../src/model/database.js";
import { CANARY, CANARY_ID, invalid, ownerOf, valid } from "./canary.js";

const [driver, url = "", logger] = process.argv.slice(2);
const ends: (() => Promise<unknown>)[] = [];

async function open(): Promise<Database> {
  const config = logger === "logger" ? { logger: true } : {};
  if (driver === "postgres.js") {
    const client = postgres(url, { max: 2 });
    ends.push(() => client.end());
    return overPostgresJs({ client, ...config });
  }
  if (driver === "node-postgres") {
    const client = new pg.Pool({ connectionString: url, max: 2 });
    ends.push(() => client.end());
    return overNodePostgres({ client, ...config });
  }
  if (driver === "connect") {
    const { db, close } = await connect({ url, max: 2 });
    ends.push(close);
    return db;
  }
  const client = new PGlite();
  ends.push(() => client.close());
  return overPglite({ client, ...config });
}

const db = await open();
await migrate(db);
let failed = 0;
const ignore = () => {
  failed++;
};
const everyMethod = async (database: Database, options?: object) => {
  for (const { call } of valid) await call(ownerOf(database, options)).catch(ignore);
};
await everyMethod(db);
for (const { call } of invalid) await call(ownerOf(db)).catch(ignore);
await everyMethod(db, { timeoutMs: 1 });
await everyMethod(db, { signal: AbortSignal.abort(CANARY) });
// A row that no constraint lets in, for the words of the server.
await db
  .execute(sql`insert into journey_sessions (id, user_id, messages) values (${CANARY_ID}, ${CANARY}, '{}')`)
  .catch(ignore);
await verify(db);
await db.execute(sql`drop table journey_sessions`);
await everyMethod(db);
for (const bad of [`postgres://${CANARY}:${CANARY}@127.0.0.1:1/${CANARY}`, `${CANARY}://x`]) {
  const there = await connect({ url: bad }).catch(ignore);
  if (there) await everyMethod(there.db);
  await there?.close();
}
for (const end of ends) await end();
console.log(`done, ${failed} failed`);
