import { beforeAll, expect, it } from "vitest";
import { migrate } from "../../src/maintenance/migrate.js";
import { openPostgresJs, rawClient } from "../support/database.js";
import { OPTIONAL } from "../support/layout.js";
import { type OwnServer, startOwnServer } from "../support/own-server.js";
import { CLIENTS, expectStored, someCalls, startWriting, toldOf } from "../support/writers.js";
import { WRITERS } from "../support/written.js";

const LONG = process.env.LONG === "1";
const CYCLES = LONG ? 20 : 2;
/** Milliseconds, of a whole test. */
const TIMEOUT = LONG ? 3_600_000 : 120_000;
const TERMINATIONS = LONG ? 400 : 40;

let server: OwnServer;
beforeAll(async () => {
  server = await startOwnServer();
  await migrate(openPostgresJs(server.url), { with: OPTIONAL });
});

it(
  "kill -9 of the server during writes loses nothing that was acknowledged, and the pools recover by themselves",
  async () => {
    const sql = rawClient(server.url, { max: 1 });
    const programs = CLIENTS.map((client) => startWriting(server.url, client));
    await Promise.all(programs.map(({ goesOn }) => goesOn(1)));
    for (let cycle = 0; cycle < CYCLES; cycle++) {
      await Promise.all(programs.map(({ goesOn }) => goesOn(someCalls(60))));
      await server.crash();
      await server.start();
      await Promise.all(programs.map((program) => expectStored(sql, program)));
      // Each of their writers, with the pool that it had.
      await Promise.all(programs.map(({ goesOn }) => goesOn(2)));
    }
    for (const program of programs) {
      expect(await program.stop()).toBe(0);
      expect(await expectStored(sql, program)).toBeLessThanOrEqual(WRITERS);
      expect(program.failures.unavailable).toBeGreaterThanOrEqual(CYCLES);
    }
    console.log(
      `kill -9 of the server, ${CYCLES} times: ${programs.map(toldOf).join(" + ")} acknowledged writes`,
    );
  },
  TIMEOUT,
);

it(
  "a backend that is terminated at any moment loses nothing that was acknowledged, and the pools recover by themselves",
  async () => {
    const sql = rawClient(server.url, { max: 1 });
    const programs = CLIENTS.map((client) => startWriting(server.url, client));
    await Promise.all(programs.map(({ goesOn }) => goesOn(1)));
    let terminated = 0;
    while (terminated < TERMINATIONS) {
      await Promise.race(programs.map(({ goesOn }) => goesOn(someCalls(3))));
      const { count } = await sql`select pg_terminate_backend(pid) from (
        select pid from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()
        order by random() limit 2) as any_two`;
      terminated += count;
    }
    await Promise.all(programs.map(({ goesOn }) => goesOn(2)));
    for (const program of programs) {
      expect(await program.stop()).toBe(0);
      expect(await expectStored(sql, program)).toBeLessThanOrEqual(WRITERS);
      expect(program.failures.unavailable).toBeGreaterThan(0);
    }
    console.log(`${terminated} backends terminated: ${programs.map(toldOf).join(" + ")} acknowledged writes`);
  },
  TIMEOUT,
);
