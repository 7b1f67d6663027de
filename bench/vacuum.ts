/**
 * The size of the TOAST table while sessions are appended to and autovacuum runs, by its settings.
 * `node scripts/run.js bench/vacuum.ts`, on a server of its own where autovacuum looks every second, as it does every
 * minute by default: a minute here is an hour there.
 */
import "../scripts/closed-output.js";
import { setTimeout as delay } from "node:timers/promises";
import postgres from "postgres";
import { connect } from "../src/connection/connect.js";
import { forUser } from "../src/index.js";
import { migrate } from "../src/migrate.js";
import { startServer } from "../test/support/child-server.js";
import { makeTexts } from "./texts.js";

const SETTINGS = {
  "20 % dead, the default": "reset (toast.autovacuum_vacuum_scale_factor)",
  "5 % dead, as migrated": "set (toast.autovacuum_vacuum_scale_factor = 0.05)",
  "2 % dead, without pauses":
    "set (toast.autovacuum_vacuum_scale_factor = 0.02, toast.autovacuum_vacuum_cost_delay = 0)",
};
const RUNS = [
  { sessions: 4000, messages: 50, appends: 4000, seconds: 60 },
  { sessions: 100, messages: 10, appends: 10_000, seconds: 50 },
];

const megabytes = (bytes: number) => `${Math.round(bytes / 1e6)} MB`;

for (const { sessions: many, messages, appends, seconds } of RUNS) {
  console.log(`${appends} appends to ${many} sessions of ${messages} messages in ${seconds} s`);
  for (const [name, setting] of Object.entries(SETTINGS)) {
    const server = await startServer("fsync=off", "autovacuum_naptime=1s");
    const { db, close } = await connect({ url: server.url, max: 1 });
    await migrate(db);
    const sql = postgres(server.url, { max: 1, onnotice: () => {} });
    await sql.unsafe(`alter table journey_sessions ${setting}`);
    const texts = makeTexts(1);
    const sessions = forUser(db, "user_1");
    const ids: string[] = [];
    for (let n = 0; n < many; n++) {
      ids.push((await sessions.create({ messages: texts.conversation(messages, "prose") })).id);
    }
    const sizes = async () => {
      const [row] = await sql<{ toast: number; live: number; vacuums: number }[]>`
        select pg_relation_size(reltoastrelid)::float8 as toast,
          (select sum(pg_column_size(messages)) from journey_sessions)::float8 as live,
          pg_stat_get_autovacuum_count(reltoastrelid)::float8 as vacuums
        from pg_class where oid = 'journey_sessions'::regclass`;
      return row ?? { toast: 0, live: 0, vacuums: 0 };
    };
    const before = await sizes();
    let most = 0;
    const begun = performance.now();
    for (let n = 0; n < appends; n++) {
      await delay(begun + (n * seconds * 1000) / appends - performance.now());
      await sessions.append(ids[n % many] ?? "", texts.turn("prose")[0]);
      if (n % (appends / 20) === 0) most = Math.max(most, (await sizes()).toast);
    }
    const after = await sizes();
    const figures = [
      `${megabytes(before.live)} of sessions`,
      `then ${megabytes(after.live)}`,
      `TOAST table at most ${megabytes(Math.max(most, after.toast))}`,
      `${after.vacuums} vacuums`,
    ];
    console.log(`  ${name.padEnd(26)} ${figures.join(", ")}`);
    await sql.end();
    await close();
    await server.stop();
  }
}
