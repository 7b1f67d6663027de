import { randomUUID } from "node:crypto";
import { sql } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { defineJourney, forUser } from "../../src/index.js";
import { fromDriver } from "../../src/model/driver-errors.js";
import {
  atEnd,
  emptyDatabase,
  migratedDatabase,
  newUser,
  openMigrated,
  openPostgresJs,
  rawClient,
} from "../support/database.js";
import { errorOf, SECRET, secretAppend } from "../support/errors.js";
import { text } from "../support/messages.js";

const url = await migratedDatabase();
const db = openPostgresJs(url);

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
    atEnd(() => raw.unsafe(`drop role ${role}`));
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

  it("a constraint that the application added: a conflict, naming it", async () => {
    const guarded = await migratedDatabase();
    await rawClient(guarded).unsafe(
      "alter table journey_sessions add constraint own_rule check (phase <> 'forbidden')",
    );
    const sessions = forUser(openPostgresJs(guarded), `${SECRET}-user`);
    const error = await errorOf(sessions.create({ phase: "forbidden", metadata: { [SECRET]: SECRET } }));
    expect(error).toMatchObject({ code: "conflict", sqlState: "23514", constraint: "own_rule" });
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

it("at a higher isolation level: a conflict, and the transaction may be repeated", async () => {
  const owner = newUser();
  const { id } = await forUser(db, owner).create();
  const outcome = db.transaction(
    async (tx) => {
      await forUser(tx, owner).get(id);
      await forUser(db, owner).append(id, text("m1"));
      const late = forUser(tx, owner).append(id, text("m2"));
      expect(await errorOf(late)).toMatchObject({ code: "conflict", sqlState: "40001", retryable: true });
      throw new Error("rolled back");
    },
    { isolationLevel: "repeatable read" },
  );
  await expect(outcome).rejects.toThrow("rolled back");
  expect((await forUser(db, owner).get(id))?.messages).toEqual([text("m1")]);
});

it("a unique index of the application's own: a conflict, naming it", async () => {
  const guarded = await migratedDatabase();
  await rawClient(guarded).unsafe("create unique index one_session_each on journey_sessions (user_id)");
  const sessions = forUser(openPostgresJs(guarded), `${SECRET}-user`);
  await sessions.create();
  const error = await errorOf(sessions.create());
  expect(error).toMatchObject({ code: "conflict", sqlState: "23505", constraint: "one_session_each" });
});

it.each(["08P01", "26000", "42P05"])("%s, of a pooler that was not named: how to name it", (code) => {
  expect(fromDriver(Object.assign(new Error(SECRET), { code }), false)).toMatchObject({
    code: "configuration",
    message: expect.stringMatching(/pooled: true, or put \?pgbouncer=true into the URL/),
  });
});

it("whether an error with an unknown outcome is retryable depends on the call", async () => {
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
      message: "The database returned SQLSTATE 42P01: the table is missing; run journey-db migrate.",
      retryable: false,
      sqlState: "42P01",
    },
  });
});
