/**
 * The time of calls on many sessions: search, export, import, erase, prune and stats, and the memory of the
 * commands among them. `node scripts/run.js bench/many-sessions.ts`, after `npm run build`, on a
 * database of its own of DATABASE_URL, else on a server of its own.
 */
import "../scripts/closed-output.js";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import postgres from "postgres";
import { prune, stats } from "../src/admin.js";
import { connect } from "../src/connection/connect.js";
import { forUser } from "../src/index.js";
import { migrate } from "../src/migrate.js";
import { elapsedMs } from "./measure.js";
import { openServer } from "./server.js";
import { makeTexts } from "./texts.js";

const CHATS = 200;
const SEARCHES = 5;
const SESSIONS = 100_000;
const MANY = 1_000_000;
const USER = "user_2abc";

const server = await openServer(process.env.DATABASE_URL);
const { url } = await server.createDatabase();
const { db, close } = await connect({ url, max: 1, statementTimeoutMs: 600_000 });
await migrate(db);
const sql = postgres(url, { max: 1, onnotice: () => {} });
const folder = mkdtempSync(join(tmpdir(), "journey-db-bench-"));

const show = (what: string, figures: string) => console.log(`${what.padEnd(52)}${figures}`);

/** Seconds. */
async function taken(work: () => Promise<unknown>): Promise<number> {
  const start = process.hrtime.bigint();
  await work();
  return elapsedMs(start) / 1000;
}

async function measureSearch(): Promise<void> {
  const texts = makeTexts(1);
  const sessions = forUser(db, USER, { timeoutMs: 600_000 });
  for (let n = 0; n < CHATS; n++) await sessions.create({ messages: texts.conversation(50, "prose") });
  const [size] =
    await sql`select sum(octet_length(messages::text))::float8 / 1e6 as mb from journey_sessions`;
  for (const [what, text] of [
    ["a text that nobody wrote", "nobody wrote this text"],
    ["a text that is in every session", "the"],
  ] as const) {
    const times: number[] = [];
    for (let n = 0; n < SEARCHES; n++) times.push(await taken(() => sessions.search(text)));
    const fastest = Math.min(...times) * 1000;
    const megabyte = what.includes("nobody") ? `, ${(fastest / size?.mb).toFixed(1)} ms/MB` : "";
    show(`search in ${size?.mb.toFixed(0)} MB, ${what}`, `${fastest.toFixed(0)} ms${megabyte}`);
  }
  await sessions.deleteAll();
}

/** Replaces `/usr/bin/time`, which not every machine has. */
const PEAK = `process.on("exit", () => require("node:fs").writeSync(2, "\\npeak " + process.resourceUsage().maxRSS))`;

function command(...args: string[]): void {
  const cli = fileURLToPath(new URL("../dist/cli.js", import.meta.url));
  const start = process.hrtime.bigint();
  const preload = join(folder, "peak.cjs");
  const { status, stderr } = spawnSync(process.execPath, ["--require", preload, cli, ...args, "--url", url], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(stderr);
  const megabytes = Number(/peak (\d+)$/.exec(stderr)?.[1]) / 1024;
  show(
    `journey-db ${args[0]} ${args.includes("--strict") ? "--strict" : ""}`,
    `${(elapsedMs(start) / 1000).toFixed(1)} s, ${megabytes.toFixed(0)} MiB`,
  );
}

/** Sessions of ten messages of 250 characters, half of them inactive for a year. */
const fill = (sessions: number, messages: number) => sql`
  insert into journey_sessions (user_id, messages, created_at, updated_at)
  select case when ${sessions === SESSIONS} then ${USER} else 'user_' || n % 10000 end, coalesce(
      (select jsonb_agg(jsonb_build_object('id', 'm' || i, 'role', 'user', 'parts',
        jsonb_build_array(jsonb_build_object('type', 'text', 'text', repeat(md5((i * n)::text), 8)))))
      from generate_series(1, ${messages}::int) i), '[]'),
    now() - interval '1 year' - n * interval '1 second',
    case when n % 2 = 0 then now() else now() - interval '1 year' end
  from generate_series(1, ${sessions}::int) n`;

async function measureCommands(): Promise<void> {
  await fill(SESSIONS, 10);
  const file = join(folder, "sessions.ndjson");
  command("export", USER, "--out", file);
  show("the file", `${SESSIONS} sessions, ${(statSync(file).size / 1e6).toFixed(0)} MB`);
  command("erase", USER, "--yes");
  command("import", USER, file);
  command("import", USER, file);
  command("erase", USER, "--yes");
  command("import", USER, file, "--strict");
}

async function measureAdmin(): Promise<void> {
  for (const sessions of [SESSIONS, MANY]) {
    await sql`truncate journey_sessions`;
    await fill(sessions, 1);
    await sql`vacuum analyze journey_sessions`;
    show(
      `stats of ${sessions} sessions`,
      `${(await taken(() => stats(db, { timeoutMs: 600_000 }))).toFixed(2)} s`,
    );
    let longest = 0;
    let last = process.hrtime.bigint();
    const onProgress = () => {
      longest = Math.max(longest, elapsedMs(last));
      last = process.hrtime.bigint();
    };
    const seconds = await taken(() => prune(db, { inactiveFor: "90d", onProgress }));
    show(
      `prune of half of ${sessions} sessions`,
      `${seconds.toFixed(1)} s, the longest statement ${longest.toFixed(0)} ms`,
    );
  }
}

try {
  writeFileSync(join(folder, "peak.cjs"), PEAK);
  await measureSearch();
  await measureCommands();
  await measureAdmin();
} finally {
  rmSync(folder, { recursive: true, force: true });
  await sql.end();
  await close();
  await server.stop();
}
