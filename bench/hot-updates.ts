/**
 * The share of HOT updates while chats grow in parallel from their first message, by the table's fillfactor. `node scripts/run.js bench/hot-updates.ts`, on a database of its own of DATABASE_URL, else on a
 * server of its own. What is compressed stays within its row for longer, so lz4 makes a difference.
 */
import "../scripts/closed-output.js";
import { randomUUID } from "node:crypto";
import postgres from "postgres";
import { connect } from "../src/connection/connect.js";
import { forUser, type JourneyMessage } from "../src/index.js";
import { migrate } from "../src/migrate.js";
import { randomNumbers, readPassages } from "./passages.js";
import { openServer } from "./server.js";

const APPENDS = 4000;
const OWNERS = 300;
const FILLFACTORS = [100, 90, 80, 70, 60];

const server = await openServer(process.env.DATABASE_URL);
const { url } = await server.createDatabase();
const { db, close } = await connect({ url, max: 1 });
await migrate(db);
const sql = postgres(url, { max: 1, onnotice: () => {} });
const passages = readPassages(1);

async function updates(): Promise<{ all: number; hot: number }> {
  // The statistics of that connection so far.
  await db.execute("select pg_stat_force_next_flush()");
  const [counts] = await sql<{ all: number; hot: number }[]>`
    select n_tup_upd::float8 as all, n_tup_hot_upd::float8 as hot from pg_stat_user_tables
    where relid = 'journey_sessions'::regclass`;
  return counts ?? { all: 0, hot: 0 };
}

/** The open chats have 2 to 13 messages at any time. */
async function grow(side: number): Promise<void> {
  const random = randomNumbers(2);
  const upTo = (most: number) => Math.floor(random() * most);
  const chats: { owner: string; id: string; has: number; most: number }[] = [];
  for (let n = 0; n < APPENDS; n++) {
    if (chats.length < side) {
      chats.push({ owner: `user_${upTo(OWNERS)}`, id: randomUUID(), has: 0, most: 2 + upTo(12) });
    }
    const place = upTo(chats.length);
    const chat = chats[place];
    if (!chat) continue;
    const asks = chat.has % 2 === 0;
    const text = (passages[upTo(passages.length)] ?? "").slice(0, asks ? 300 : undefined).toWellFormed();
    const message: JourneyMessage = {
      id: `m${chat.has}`,
      role: asks ? "user" : "assistant",
      parts: [{ type: "text", text }],
    };
    const sessions = forUser(db, chat.owner);
    await sessions.append(chat.id, message, { create: asks });
    chat.has++;
    if (chat.has === 2) await sessions.mergeMetadata(chat.id, { title: text.slice(0, 40).toWellFormed() });
    if (chat.has >= chat.most) chats.splice(place, 1);
  }
}

console.log("fillfactor   20 chats side by side   200 chats");
for (const fillfactor of FILLFACTORS) {
  const shares: string[] = [];
  for (const side of [20, 200]) {
    await sql.unsafe(
      `truncate journey_sessions; alter table journey_sessions set (fillfactor = ${fillfactor})`,
    );
    const before = await updates();
    await grow(side);
    const after = await updates();
    shares.push(`${((100 * (after.hot - before.hot)) / (after.all - before.all)).toFixed(1)} %`);
  }
  console.log(`${String(fillfactor).padStart(10)}   ${shares.map((share) => share.padStart(21)).join("")}`);
}
await sql.end();
await close();
await server.stop();
