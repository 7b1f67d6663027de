/**
 * Every call of the catalogue of the tests, on a PostgreSQL server and on a Citus cluster, in both layouts: round trips of
 * the client, statements that the coordinator sends to workers, and medians in milliseconds of both. CITUS_URL names the
 * coordinator of a cluster, a database without journey_sessions. `node scripts/run.js bench/distributed.ts`.
 */
import "../scripts/closed-output.js";
import { randomUUID } from "node:crypto";
import { drizzle } from "drizzle-orm/postgres-js";
import postgres from "postgres";
import { defineJourney, type JourneyMessage } from "../src/index.js";
import { messagesTable } from "../src/message-rows.js";
import { distribute, migrate } from "../src/migrate.js";
import { journeySessions } from "../src/schema.js";
import { startServer } from "../test/support/child-server.js";
import { CASES, type Case, type Given } from "../test/support/verbs.js";
import { elapsedMs, summary } from "./measure.js";

const ROUNDS = Number(process.env.ROUNDS ?? 30);
/** Of what the coordinator sends, without those of its transactions. */
const SENT = /^issuing (?!BEGIN|COMMIT|PREPARE TRANSACTION|ROLLBACK|SELECT assign_distributed|SET )/i;

const url = process.env.CITUS_URL;
if (!url) throw new Error("CITUS_URL must name the coordinator of a Citus cluster");
const server = await startServer();

let [trips, sent] = [0, 0];
async function open(at: string) {
  const client = postgres(at, {
    max: 1,
    prepare: true,
    debug: () => trips++,
    onnotice: ({ message = "" }) => void (SENT.test(message) && sent++),
  });
  const db = drizzle({ client });
  await migrate(db, { with: ["message-rows"] });
  return { client, db };
}
const plain = await open(server.url);
const citus = await open(url);
const { servers } = await distribute(citus.db);

const LAYOUTS = { column: {}, rows: { messages: messagesTable(journeySessions) } };
type Layout = keyof typeof LAYOUTS;
const message = (id: string): JourneyMessage => ({
  id,
  role: "user",
  parts: [{ type: "text", text: `text of ${id}` }],
});

/** A round of a case: a user with the session that the catalogue describes, and one call. */
async function callOf(one: Case, layout: Layout, { db }: typeof plain, distributed: boolean) {
  const sessions = defineJourney({ ...LAYOUTS[layout], distributed }).forUser(db, `bench ${randomUUID()}`);
  const { id } = await sessions.create({ messages: [message("m1"), message("m2")], metadata: { a: 1 } });
  // Pages of one session, which are followed by another.
  await sessions.create({ metadata: { a: 1 } });
  const { revision = "" } = (await sessions.get(id)) ?? {};
  const given: Given = { id, newId: randomUUID(), revision, cursors: {} };
  for (const orderBy of ["created", "updated"] as const) {
    const { nextCursor } = await sessions.list({ orderBy, limit: 1 });
    if (nextCursor !== undefined) given.cursors[orderBy] = nextCursor;
  }
  return () => one.call(sessions as never, given);
}

interface Figures {
  plain: number[];
  citus: number[];
  trips: number;
  sent: number;
}

async function measure(one: Case, layout: Layout): Promise<Figures> {
  const figures: Figures = { plain: [], citus: [], trips: 0, sent: 0 };
  for (let n = 0; n < ROUNDS; n++)
    for (const [name, at] of [
      ["plain", plain],
      ["citus", citus],
    ] as const) {
      const call = await callOf(one, layout, at, name === "citus");
      [trips, sent] = [0, 0];
      const start = process.hrtime.bigint();
      await call();
      figures[name].push(elapsedMs(start));
      if (name === "citus") figures.trips = Math.max(figures.trips, trips);
    }
  await citus.client`set citus.log_remote_commands = on`;
  const call = await callOf(one, layout, citus, true);
  sent = 0;
  await call();
  figures.sent = sent;
  await citus.client`set citus.log_remote_commands = off`;
  return figures;
}

console.log(`Citus with ${servers} servers; medians of ${ROUNDS} calls each.\n`);
console.log(
  "| call | layout | round trips | tasks | PostgreSQL, ms | Citus, ms |\n| --- | --- | --: | --: | --: | --: |",
);
for (const one of CASES.filter(({ verb }) => verb !== "watch"))
  for (const layout of ["column", "rows"] as const) {
    const { trips, sent, ...times } = await measure(one, layout);
    const [onOne, onMany] = [times.plain, times.citus].map((samples) => summary(samples).median.toFixed(2));
    console.log(`| ${one.name} | ${layout} | ${trips} | ${sent} | ${onOne} | ${onMany} |`);
  }
await distribute(citus.db, { undo: true });
for (const { client } of [plain, citus]) await client.end();
await server.stop();
