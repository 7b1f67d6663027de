import { expect, it } from "vitest";
import { MIGRATION_LOCK } from "../../src/maintenance/migrate.js";
import { migratedDatabase } from "../support/database.js";
import { readDocument } from "../support/markdown.js";
import { repository } from "../support/packages.js";
import { runCode } from "../support/program.js";

const CONNECT = "const { db, close } = await connect();";

/** As docs/drivers.md has it for an application that brings node-postgres. */
const NODE_POSTGRES = `
  import { drizzle } from "drizzle-orm/node-postgres";
  import pg from "pg";
  ${/^const pool =.*?(?=^const )/ms.exec(readDocument("docs/drivers.md"))?.[0]}
  const db = drizzle({ client: pool });
  const close = () => pool.end();
`;

/** A program that loses its connection in the midst of `body`, then goes on with the same database. */
const program = (open: string, body: string) => `
  import { setImmediate as turn } from "node:timers/promises";
  import { sql } from "drizzle-orm";
  import postgres from "postgres";
  import { connect, forUser } from "#/src/index.ts";
  import { migrate, verify } from "#/src/migrate.ts";
  ${open}

  const [admin, holder] = [1, 2].map(() => postgres(process.env.DATABASE_URL, { max: 1 }));
  const tell = (promise) =>
    promise.then((answer) => console.log("done", answer), (error) => console.log("failed", error.code ?? ""));
  const sockets = () => process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length;
  const terminate = (pid) => admin\`select pg_terminate_backend(\${pid}, 10000)\`;
  /** Loses the transaction's connection while nothing is sent on it. */
  const lose = async (tx) => {
    const answer = await tx.execute(sql\`select pg_backend_pid() as pid\`);
    const before = sockets();
    await terminate((answer.rows ?? answer)[0].pid);
    while (sockets() >= before) await turn();
  };
  /** Loses the connection that waits for something. */
  const loseWaiting = async () => {
    for (;;) {
      const [waiting] = await admin\`select pid from pg_stat_activity
        where datname = current_database() and wait_event_type in ('Lock', 'Timeout')\`;
      if (waiting) return terminate(waiting.pid);
    }
  };
  const whileHeld = (lock, call) => holder.begin(async (tx) => {
    await tx.unsafe(lock);
    await Promise.all([tell(call()), loseWaiting()]);
  });

  await admin\`select 1\`;
  await db.execute(sql\`select 1\`);
  ${body}
  await tell(forUser(db, "user").count());
  await Promise.all([close(), admin.end(), holder.end()]);
`;

const IDLE = [
  "lose",
  `async (tx) => { await lose(tx); await forUser(tx, "user").count(); }`,
  `(tx) => tx.transaction(async (nested) => { await lose(tx); await forUser(nested, "user").count(); })`,
  // The last call's failure is swallowed, and yet nothing is committed.
  `async (tx) => {
    await lose(tx);
    for (let call = 0; call < 3; call++) await tell(forUser(tx, "user").create());
  }`,
  "async (tx) => { await lose(tx); throw new Error(); }",
].map((work) => `await tell(db.transaction(${work}));`);
const BUSY = [
  "await Promise.all([tell(db.transaction((tx) => tx.execute(sql`select pg_sleep(3600)`))), loseWaiting()]);",
  `await whileHeld("select pg_advisory_xact_lock(${MIGRATION_LOCK})", () => migrate(db));`,
  `await whileHeld("lock table journey_sessions", () => verify(db));`,
];

it.each([
  ["connect()", "is idle", CONNECT, IDLE],
  ["connect()", "is busy, migrate's and verify's too,", CONNECT, BUSY],
  ["docs/drivers.md's node-postgres pool", "is idle or busy", NODE_POSTGRES, [...IDLE, ...BUSY]],
] as const)(
  "over %s a transaction whose connection is lost while it %s fails, and the process goes on",
  async (_, __, open, bodies) => {
    const env = { DATABASE_URL: await migratedDatabase() };
    const { ended, stdout, stderr } = runCode(program(open, bodies.join("\n")), repository, env);
    expect([await ended, stderr()]).toEqual([0, ""]);
    expect(stdout()).toMatch(/^(failed .*\n)+done 0\n$/);
    expect(stdout().match(/failed/g)?.length).toBeGreaterThanOrEqual(bodies.length);
  },
);
