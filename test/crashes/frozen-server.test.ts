import { sql } from "drizzle-orm";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { forUser } from "../../src/index.js";
import { migrate } from "../../src/maintenance/migrate.js";
import type { Database } from "../../src/model/database.js";
import { newUser, openConnected, openNodePostgres, openPostgresJs } from "../support/database.js";
import { errorOf } from "../support/errors.js";
import { OPTIONAL } from "../support/layout.js";
import { idsOf, text } from "../support/messages.js";
import { type OwnServer, startOwnServer } from "../support/own-server.js";
import { CASES, conversation } from "../support/verbs.js";

let server: OwnServer;
beforeAll(async () => {
  server = await startOwnServer();
  await migrate(openPostgresJs(server.url), { with: OPTIONAL });
});

const frozen = new Set<number>();
const thaw = () => {
  for (const pid of frozen) process.kill(pid, "SIGCONT");
  frozen.clear();
};
const freeze = (pid: number) => {
  process.kill(pid, "SIGSTOP");
  frozen.add(pid);
};
afterEach(thaw);

/** Databases with one connection, so that no call finds a way around a frozen backend. */
const OPEN: Record<string, () => Promise<Database>> = {
  "connect()": () => openConnected(server.url, { max: 1 }),
  "node-postgres": async () => openNodePostgres(server.url, { max: 1 }),
};

/** Whether a call that was given up while it waited for a connection is sent all the same. */
const SENDS_WHAT_WAITED: Record<string, boolean> = { "connect()": false, "node-postgres": true };

/** Stops the process that serves the database's one connection. */
async function freezeBackend(db: Database): Promise<void> {
  const [row] = await db.select({ pid: sql<number>`pg_backend_pid()` }).from(sql`(select) as nothing`);
  freeze(row?.pid as number);
}

describe.each(Object.keys(OPEN))("%s: while the backend is frozen", (driver) => {
  let db: Database;
  beforeAll(async () => {
    db = await (OPEN[driver] as () => Promise<Database>)();
  });

  it("every call ends with timeout at its deadline, and the pool works again when the backend does", async () => {
    const owner = newUser();
    const given = await conversation(forUser(db, owner));
    await freezeBackend(db);
    for (const { name, retryable, call } of CASES) {
      const error = await errorOf(call(forUser(db, owner, { timeoutMs: 20 }), given));
      expect(error, name).toMatchObject({ code: "timeout", retryable });
      expect(error.message, name).toBe("No answer within 20 ms; whether the call takes effect is unknown.");
    }
    thaw();
    // It comes after all that was sent: the deleteAll too, or nothing that had to wait for its turn.
    expect(await forUser(db, owner).count()).toBe(SENDS_WHAT_WAITED[driver] ? 0 : 1);
    const { created } = await forUser(db, owner).append(given.id, text("m3"), { create: true });
    expect(created).toBe(SENDS_WHAT_WAITED[driver]);
  });

  it("a call ends with timeout when the handle's signal is aborted", async () => {
    const owner = newUser();
    const given = await conversation(forUser(db, owner));
    await freezeBackend(db);
    for (const { name, retryable, call } of CASES) {
      const request = new AbortController();
      const error = errorOf(call(forUser(db, owner, { signal: request.signal }), given));
      request.abort();
      expect(await error, name).toMatchObject({
        code: "timeout",
        retryable,
        message: "The signal was aborted; whether the call takes effect is unknown.",
      });
    }
    thaw();
    expect(await forUser(db, owner).count()).toBe(SENDS_WHAT_WAITED[driver] ? 0 : 1);
  });

  it("a call that was given up, repeated as its error allows, leaves one copy of everything", async () => {
    const owner = newUser();
    const { id } = await forUser(db, owner).create({ messages: [text("m1")] });
    const message = text("m2");
    await freezeBackend(db);
    for (const _ of [1, 2, 3]) {
      const call = forUser(db, owner, { timeoutMs: 20 }).append(id, message, { after: "m1" });
      expect(await errorOf(call)).toMatchObject({ code: "timeout", retryable: true });
    }
    thaw();
    await forUser(db, owner).append(id, message, { after: "m1" });
    expect(idsOf((await forUser(db, owner).get(id))?.messages ?? [])).toEqual(["m1", "m2"]);
  });
});

it.each(Object.keys(OPEN))(
  "%s: while the whole server is frozen, a call that needs a new connection ends with timeout too",
  async (driver) => {
    const owner = newUser();
    const { id } = await forUser(openPostgresJs(server.url), owner).create();
    const db = await (OPEN[driver] as () => Promise<Database>)();
    freeze(server.postmaster);
    expect(await errorOf(forUser(db, owner, { timeoutMs: 20 }).setPhase(id, "review"))).toMatchObject({
      code: "timeout",
      retryable: true,
    });
    const request = new AbortController();
    const error = errorOf(forUser(db, owner, { signal: request.signal }).fork(id));
    request.abort();
    expect(await error).toMatchObject({ code: "timeout", retryable: false });
    thaw();
    expect((await forUser(db, owner).setPhase(id, "review")).id).toBe(id);
  },
);
