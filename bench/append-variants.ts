/**
 * The cost of an append with other statements and triggers: median milliseconds of the server's CPU. `node scripts/run.js bench/append-variants.ts`, on a server of its own, or on DATABASE_URL where
 * that is on this machine and may create databases. Linux only.
 */
import "../scripts/closed-output.js";
import { randomUUID } from "node:crypto";
import postgres from "postgres";
import { connect } from "../src/connection/connect.js";
import { defineJourney } from "../src/index.js";
import { migrate } from "../src/migrate.js";
import { spentBy } from "./cost.js";
import { orderOf, summary } from "./measure.js";
import { openServer } from "./server.js";
import { SETTINGS } from "./storage.js";
import { makeTexts } from "./texts.js";

const SIZES = [10, 100, 1000, 5000];
const ROUNDS = [100, 60, 20, 10];
/** A server chooses the plan of a prepared statement at its sixth call. */
const WARM_UP = 6;
const EVERY_UPDATE = `drop trigger journey_sessions_updated_at on journey_sessions;
  create trigger journey_sessions_updated_at before update on journey_sessions
  for each row execute function update_journey_sessions_updated_at()`;
const OWN_ROW = "user_id = $1 and id = $2";
/** The value is read once, under a lock, by a sub-select that the update joins. */
const LOCKED = `update journey_sessions s set messages = new.messages, updated_at = now()
  from (
    select case when jsonb_typeof(m) = 'array' then m || added end as messages
    from (select messages #> '{}' as m from journey_sessions where ${OWN_ROW} for no key update offset 0) as stored,
      (select $3::text::jsonb as added offset 0) as input offset 0
  ) as new
  where s.user_id = $1 and s.id = $2 and new.messages is not null returning s.id`;
const LEAST = (more = "") =>
  `update journey_sessions set messages = messages || $3::text::jsonb${more} where ${OWN_ROW} returning id`;

const VARIANTS: Record<string, { before?: string; text?: string }> = {
  "append, as it is": {},
  "append, trigger on every update": { before: EVERY_UPDATE },
  "messages || …, trigger on every update": { before: EVERY_UPDATE, text: LEAST() },
  "messages || …": { text: LEAST(", updated_at = now()") },
  "messages || …, read once under a lock": { text: LOCKED },
};

const server = await openServer(process.env.DATABASE_URL);
const texts = makeTexts(1);
const userId = "user_1";

for (const [storage, setting] of Object.entries(SETTINGS)) {
  if (storage === "lz4" && !server.about.hasLz4) continue;
  const opened = await Promise.all(
    Object.entries(VARIANTS).map(async ([name, { before, text }]) => {
      const { name: database, url } = await server.createDatabase();
      const { db, close } = await connect({ url, max: 1, statementTimeoutMs: 60_000 });
      await migrate(db);
      const sql = postgres(url, { max: 1, fetch_types: false, onnotice: () => {} });
      await sql.unsafe(`alter table journey_sessions alter column messages ${setting}; ${before ?? ""}`);
      const sessions = defineJourney({ maxSessionBytes: 0x0fffffff, timeoutMs: 60_000 }).forUser(db, userId);
      return {
        name,
        database,
        sessions,
        append: async (id: string, message: Parameters<typeof sessions.append>[1]) => {
          if (text) await sql.unsafe(text, [userId, id, JSON.stringify([message])], { prepare: true });
          else await sessions.append(id, message);
        },
        async end() {
          await close();
          await sql.end();
          await server.dropDatabase(database);
        },
      };
    }),
  );
  for (const [n, messages] of SIZES.entries()) {
    const conversation = texts.conversation(messages, "prose");
    let id = "";
    const spent = new Map<string, number[]>(opened.map(({ name }) => [name, []]));
    for (let round = 0; round < WARM_UP + (ROUNDS[n] ?? 0); round++) {
      const [message] = texts.turn("prose");
      // A short session would soon be long; a long one stays about as long.
      if (round === 0 || messages <= 100) {
        id = randomUUID();
        for (const { sessions } of opened) await sessions.create({ id, messages: conversation });
      }
      for (const { name, database, append } of orderOf(opened, round)) {
        const { serverCpu } = await spentBy(server, database, [() => append(id, message)]);
        if (serverCpu === null) throw new Error("the server's processes are not on this machine");
        if (round >= WARM_UP) spent.get(name)?.push(serverCpu);
      }
    }
    console.log(`${storage}, ${messages} messages`);
    for (const [name, samples] of spent) {
      console.log(`  ${name.padEnd(40)} ${summary(samples).median.toFixed(2).padStart(8)}`);
    }
  }
  for (const { end } of opened) await end();
}
await server.stop();
