import { sql } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { forUser } from "../../src/index.js";
import {
  migratedDatabase,
  newUser,
  openNodePostgres,
  openPostgresJs,
  rawClient,
} from "../support/database.js";
import { errorOf, SECRET, secretAppend } from "../support/errors.js";
import { serverThat } from "../support/network.js";

const url = await migratedDatabase();
const db = openPostgresJs(url);

describe("a server that cannot be reached", () => {
  const onPort = (port: number) => url.replace(/:\d+\//, `:${port}/`);
  const drivers = [
    ["postgres.js", (to: string) => openPostgresJs(to, { connect_timeout: 1 })],
    ["node-postgres", (to: string) => openNodePostgres(to, { connectionTimeoutMillis: 500 })],
  ] as const;

  it.each(drivers)("%s: nobody listens: unavailable, nothing was sent, safe to repeat", async (_, open) => {
    const error = await errorOf(secretAppend(open(onPort(1))));
    expect(error).toMatchObject({ code: "unavailable", retryable: true });
    expect(error.message).toContain("nothing was sent");
  });

  it.each(drivers)("%s: no answer to the greeting: unavailable", async (_, open) => {
    const error = await errorOf(secretAppend(open(onPort(await serverThat(() => {})))));
    expect(error).toMatchObject({ code: "unavailable", retryable: true });
  });

  it.each(drivers)("%s: an answer that is no PostgreSQL: typed all the same", async (_, open) => {
    const web = onPort(await serverThat((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")));
    await errorOf(forUser(open(web), `${SECRET}-user`, { timeoutMs: 2_000 }).count());
  });

  it.each(drivers)(
    "%s: the connection ends in the middle of a call: unavailable, outcome unknown",
    async (_, open) => {
      const owner = newUser();
      const { id } = await forUser(db, owner).create();
      const raw = rawClient(url);
      for (const [options, retryable] of [
        [{}, true],
        [{ from: "setup" }, false],
      ] as const) {
        await raw.begin(async (tx) => {
          await tx`select from journey_sessions where id = ${id} for update`;
          const error = errorOf(forUser(open(url), owner).setPhase(id, SECRET, options));
          const waiting = sql`select pg_terminate_backend(pid) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`;
          await expect.poll(() => db.execute(waiting)).toHaveLength(1);
          expect(await error).toMatchObject({ code: "unavailable", retryable });
        });
      }
      expect((await forUser(db, owner).get(id))?.phase).toBe("setup");
    },
  );
});
