import { expect, it } from "vitest";
import { connect, forUser } from "../../src/index.js";
import { migrate } from "../../src/maintenance/migrate.js";
import { openPostgresJs, rawClient } from "../support/database.js";
import { OPTIONAL } from "../support/layout.js";
import { startOwnServer, startStandby } from "../support/own-server.js";
import { expectStored, startWriting, toldOf } from "../support/writers.js";
import { WRITERS } from "../support/written.js";

const LONG = process.env.LONG === "1";
const FAILOVERS = LONG ? 10 : 1;
/** Milliseconds. */
const TIMEOUT = 120_000;

/** A primary, and a standby that has all that was acknowledged. */
async function startPair() {
  const primary = await startOwnServer("wal_level=replica", "wal_keep_size=64MB");
  await migrate(openPostgresJs(primary.url), { with: OPTIONAL });
  await primary.stop();
  const standby = await startStandby(primary);
  await primary.start();
  const sql = rawClient(primary.url, { max: 1 });
  await sql`alter system set synchronous_standby_names = 'standby'`;
  await sql`select pg_reload_conf()`;
  const hosts = [primary, standby].map(({ url }) => new URL(url).host).join(",");
  return { primary, standby, url: `postgres://postgres@${hosts}/postgres?target_session_attrs=read-write` };
}

/** The server that a new connection reaches. */
async function hostOf(url: string): Promise<string> {
  const { db, close } = await connect({ url });
  const [row] = (await db.execute("select inet_server_port() as port")) as unknown as [{ port: number }];
  await close();
  return `127.0.0.1:${row.port}`;
}

it.each(Array.from({ length: FAILOVERS }, (_, n) => n + 1))(
  "kill -9 of the primary, time %i: writers go on at the standby that is promoted, and the former primary gets no more writes",
  async () => {
    const { primary, standby, url } = await startPair();
    const program = startWriting(url, "connect()");
    await program.goesOn(20);
    await primary.crash();
    await standby.promote();
    await program.goesOn(20);
    const sql = rawClient(standby.url, { max: 1 });
    await expectStored(sql, program);

    // It comes back as it was, and accepts writes.
    await primary.start();
    const former = rawClient(primary.url, { max: 1 });
    const rowsThere = () => former`select id, updated_at from journey_sessions order by id`;
    await former`alter system reset synchronous_standby_names`;
    await former`select pg_reload_conf()`;
    const before = await rowsThere();
    const terminated = await sql`select pg_terminate_backend(pid) from pg_stat_activity
      where backend_type = 'client backend' and pid <> pg_backend_pid()`;
    expect(terminated.count).toBeGreaterThan(0);
    await program.goesOn(20);
    // A process that begins now knows nothing of the failover.
    expect(await hostOf(url)).toBe(new URL(standby.url).host);
    expect(await program.stop()).toBe(0);
    expect(await expectStored(sql, program)).toBeLessThanOrEqual(WRITERS);
    expect(await rowsThere()).toEqual(before);
    expect(Object.keys(program.failures)).not.toContain("internal");
    console.log(`failover: ${toldOf(program)} acknowledged writes`);
  },
  TIMEOUT,
);

it(
  "a server that accepts no writes is passed over, and without any other the call is unavailable",
  async () => {
    const { primary, standby } = await startPair();
    const [first, second] = [primary, standby].map(({ url }) => new URL(url).host);
    const urlOf = (hosts: string, attributes = "") => `postgres://postgres@${hosts}/postgres${attributes}`;
    expect(await hostOf(urlOf(`${second},${first}`, "?target_session_attrs=read-write"))).toBe(first);
    expect(await hostOf(urlOf(`${second},${first}`, "?target_session_attrs=any"))).toBe(second);
    expect(await hostOf(urlOf(`127.0.0.1:1,${first}`))).toBe(first);
    const { db, close } = await connect({ url: urlOf(`${second}`, "?target_session_attrs=primary") });
    await expect(forUser(db, "user_2abc").count()).rejects.toMatchObject({
      code: "unavailable",
      retryable: true,
    });
    await close();
  },
  TIMEOUT,
);
