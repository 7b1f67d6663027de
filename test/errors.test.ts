import { randomUUID } from "node:crypto";
import { inspect } from "node:util";
import { sql } from "drizzle-orm";
import { afterAll, describe, expect, it } from "vitest";
import { defineJourney, forUser, JourneyDbError } from "../src/index.js";
import {
  emptyDatabase,
  migratedDatabase,
  newUser,
  openMigrated,
  openNodePostgres,
  openPostgresJs,
  rawClient,
} from "./support/database.js";
import { text } from "./support/messages.js";
import { serverThat } from "./support/network.js";

const SECRET = "what-the-user-wrote";
const url = await migratedDatabase();
const db = openPostgresJs(url);

/** What the call throws; it must be typed, and hold nothing of what the user wrote. */
async function errorOf(call: Promise<unknown>): Promise<JourneyDbError> {
  const error = await call.then(
    () => expect.fail("the call did not fail"),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(JourneyDbError);
  const typed = error as JourneyDbError;
  expect(typed.name).toBe("JourneyDbError");
  expect(typed.cause).toBeUndefined();
  for (const shown of [
    inspect(typed, { depth: 9, showHidden: true }),
    JSON.stringify(typed),
    String(typed.stack),
  ]) {
    expect(shown).not.toContain(SECRET);
    expect(shown).not.toMatch(/postgres(ql)?:\/\/|password/i);
  }
  return typed;
}

/** A call whose every value is secret. */
const secretAppend = (database: Parameters<typeof forUser>[0]) =>
  forUser(database, `${SECRET}-user`).append(randomUUID(), text(SECRET, SECRET), { create: true });

const at = (change: (url: URL) => void) => {
  const changed = new URL(url);
  change(changed);
  return changed.href;
};

describe("what the server refuses", () => {
  it("a missing table: migration", async () => {
    const error = await errorOf(secretAppend(openPostgresJs(await emptyDatabase())));
    expect(error).toMatchObject({ code: "migration", sqlState: "42P01", retryable: false });
    expect(error.message).toContain("journey-db migrate");
  });

  it("a database that is not there: configuration", async () => {
    const error = await errorOf(
      secretAppend(
        openPostgresJs(
          at((to) => {
            to.pathname = `/${SECRET}`;
          }),
        ),
      ),
    );
    expect(error).toMatchObject({ code: "configuration", sqlState: "3D000", retryable: false });
  });

  it("a role without rights: configuration", async () => {
    const role = `role_${randomUUID().replaceAll("-", "")}`;
    const raw = rawClient(url);
    await raw.unsafe(`create role ${role} login`);
    afterAll(() => raw.unsafe(`drop role ${role}`));
    const error = await errorOf(
      secretAppend(
        openPostgresJs(
          at((to) => {
            to.username = role;
          }),
        ),
      ),
    );
    expect(error).toMatchObject({ code: "configuration", sqlState: "42501", retryable: false });
  });

  it("a read-only server: unavailable", async () => {
    const readOnly = openPostgresJs(url, { connection: { default_transaction_read_only: true } });
    expect(await errorOf(secretAppend(readOnly))).toMatchObject({ code: "unavailable", sqlState: "25006" });
  });

  it("a statement over the server's time limit, a lock over its own: timeout, safe to repeat", async () => {
    const owner = newUser();
    const { id } = await forUser(db, owner).create();
    await rawClient(url).begin(async (tx) => {
      await tx`select from journey_sessions where id = ${id} for update`;
      for (const [setting, sqlState] of [
        ["statement_timeout", "57014"],
        ["lock_timeout", "55P03"],
      ] as const) {
        const hasty = forUser(openPostgresJs(url, { connection: { [setting]: 20 } }), owner);
        expect(await errorOf(hasty.setPhase(id, SECRET))).toMatchObject({
          code: "timeout",
          sqlState,
          retryable: true,
        });
      }
    });
  });

  it("a transaction that has already failed: internal, and the outer one still ends as it must", async () => {
    const owner = newUser();
    const outcome = db.transaction(async (tx) => {
      await forUser(tx, owner).create();
      await expect(tx.execute(sql`select 1/0`)).rejects.toThrow();
      expect(await errorOf(secretAppend(tx))).toMatchObject({ code: "internal", sqlState: "25P02" });
      throw new Error("rolled back");
    });
    await expect(outcome).rejects.toThrow("rolled back");
    expect(await forUser(db, owner).count()).toBe(0);
  });

  it("a constraint that the application added: internal, naming it", async () => {
    const guarded = await migratedDatabase();
    await rawClient(guarded).unsafe(
      "alter table journey_sessions add constraint own_rule check (phase <> 'forbidden')",
    );
    const sessions = forUser(openPostgresJs(guarded), `${SECRET}-user`);
    const error = await errorOf(sessions.create({ phase: "forbidden", metadata: { [SECRET]: SECRET } }));
    expect(error).toMatchObject({ code: "internal", sqlState: "23514", constraint: "own_rule" });
  });

  it("a trigger of the application that refuses: internal, without its words", async () => {
    const guarded = await migratedDatabase();
    await rawClient(guarded).unsafe(`
      create function refuse() returns trigger language plpgsql as
        $$ begin raise exception 'row % refused', new.messages; end $$;
      create trigger refuse before insert on journey_sessions for each row execute function refuse()`);
    expect(await errorOf(secretAppend(openPostgresJs(guarded)))).toMatchObject({
      code: "internal",
      sqlState: "P0001",
    });
  });

  it("the same on PGlite and node-postgres", async () => {
    for (const driver of ["PGlite", "node-postgres"] as const) {
      const other = await openMigrated(driver);
      await other.execute(sql`drop table journey_sessions`);
      expect(await errorOf(secretAppend(other))).toMatchObject({ code: "migration", sqlState: "42P01" });
    }
  });
});

describe("a server that cannot be reached", () => {
  const onPort = (port: number) =>
    at((to) => {
      to.port = String(port);
    });
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
      await raw.begin(async (tx) => {
        await tx`select from journey_sessions where id = ${id} for update`;
        const call = forUser(open(url), owner).setPhase(id, SECRET);
        const error = errorOf(call);
        await expect
          .poll(() =>
            db.execute(
              sql`select pg_terminate_backend(pid) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
            ),
          )
          .toHaveLength(1);
        expect(await error).toMatchObject({ code: "unavailable", retryable: true });
      });
      expect((await forUser(db, owner).get(id))?.phase).toBe("setup");
    },
  );
});

it("retryable where the outcome is unknown depends on the call", async () => {
  const nowhere = defineJourney({ timeoutMs: 1 });
  const sessions = nowhere.forUser(db, newUser());
  expect(await errorOf(sessions.create({ messages: [text("m1", "x".repeat(1_000_000))] }))).toMatchObject({
    code: "timeout",
    retryable: false,
  });
});

it("JSON has all that a log needs", async () => {
  const error = await errorOf(secretAppend(openPostgresJs(await emptyDatabase())));
  expect(JSON.parse(JSON.stringify({ error }))).toEqual({
    error: {
      name: "JourneyDbError",
      code: "migration",
      message: "The database answered with SQLSTATE 42P01: the table is missing; run journey-db migrate.",
      retryable: false,
      sqlState: "42P01",
    },
  });
});
