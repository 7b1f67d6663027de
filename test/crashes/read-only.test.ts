import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { forUser } from "../../src/index.js";
import { migrate } from "../../src/maintenance/migrate.js";
import { verify } from "../../src/maintenance/verify/verify.js";
import type { Database } from "../../src/model/database.js";
import { newUser, openConnected, openNodePostgres, openPostgresJs, rawClient } from "../support/database.js";
import { errorOf, SECRET } from "../support/errors.js";
import { OPTIONAL } from "../support/layout.js";
import { type OwnServer, startOwnServer } from "../support/own-server.js";
import { CASES, callOf, conversation, unstored, withWord } from "../support/verbs.js";

// Servers that start again and pools that find them again take longer on a slow machine.
vi.setConfig({ testTimeout: 180_000 });

let server: OwnServer;
beforeAll(async () => {
  server = await startOwnServer();
  await migrate(openPostgresJs(server.url), { with: OPTIONAL });
});

/** Databases with one connection, which has heard of a change once one call shows it. */
const OPEN: Record<string, () => Promise<Database>> = {
  "connect()": () => openConnected(server.url, { max: 1 }),
  "node-postgres": async () => openNodePostgres(server.url, { max: 1 }),
};

/** Every write is refused with a typed error, and every read goes on. */
async function expectReadOnly(db: Database, owner: string): Promise<void> {
  const sessions = forUser(db, owner);
  const before = await sessions.latest();
  const id = before?.id as string;
  const given = { ...unstored(), id, revision: before?.revision as string };
  for (const { name, verb, writes, args, call } of CASES) {
    if (!writes) {
      await call(sessions, given);
      continue;
    }
    const error = await errorOf(callOf(sessions, verb, withWord(SECRET, given, args(given))));
    expect(error, name).toMatchObject({ code: "unavailable", sqlState: "25006", retryable: true });
    expect(error.message, name).toContain("read-only");
  }
  expect(await sessions.get(id)).toEqual(before);
  expect(await sessions.count()).toBe(1);
}

const readOnlyFindings = async (db: Database) =>
  (await verify(db)).filter(({ code }) => code === "read_only");

describe.each(Object.keys(OPEN))("%s", (driver) => {
  let db: Database;
  beforeAll(async () => {
    db = await (OPEN[driver] as () => Promise<Database>)();
  });

  it("where the server becomes read-only, writes are refused, reads go on, and verify says why", async () => {
    const owner = newUser();
    const { id } = await conversation(forUser(db, owner));
    const admin = rawClient(server.url, { max: 1 });
    const setReadOnly = async (value: "on" | "off") => {
      await admin.unsafe("set default_transaction_read_only = off");
      await admin.unsafe(`alter system set default_transaction_read_only = ${value}`);
      await admin`select pg_reload_conf()`;
      const heard = () =>
        forUser(db, owner)
          .setPhase(id, "setup")
          .then(
            () => "off",
            () => "on",
          );
      await expect.poll(heard, { interval: 5, timeout: 20_000 }).toBe(value);
    };
    expect(await verify(db)).toEqual([]);
    await setReadOnly("on");
    await expectReadOnly(db, owner);
    expect(await readOnlyFindings(db)).toEqual([
      {
        severity: "error",
        code: "read_only",
        message: "Transactions are read-only (default_transaction_read_only).",
        remedy: expect.stringContaining("disk is full"),
      },
    ]);
    await setReadOnly("off");
    expect((await forUser(db, owner).setPhase(id, "review")).id).toBe(id);
    expect(await verify(db)).toEqual([]);
  });

  it("if the database is read-only for new connections, calls and verify report it too", async () => {
    const owner = newUser();
    await conversation(forUser(db, owner));
    const admin = rawClient(server.url, { max: 1 });
    await admin`alter database postgres set default_transaction_read_only = on`;
    try {
      const late = await (OPEN[driver] as () => Promise<Database>)();
      await expectReadOnly(late, owner);
      expect(await readOnlyFindings(late)).toHaveLength(1);
    } finally {
      await admin`alter database postgres reset default_transaction_read_only`;
    }
  });

  it("if the server comes back as a standby, writes are refused until it is promoted, and verify gives the reason", async () => {
    const owner = newUser();
    const { id } = await conversation(forUser(db, owner));
    const admin = rawClient(server.url, { max: 1 });
    const [row] = await admin<{ data: string }[]>`select current_setting('data_directory') as data`;
    await server.stop();
    writeFileSync(join(row?.data as string, "standby.signal"), "");
    await server.start();
    // The connections that it had are told of its end at their next use.
    await expect
      .poll(
        () =>
          forUser(db, owner)
            .count()
            .catch(() => -1),
        { timeout: 20_000 },
      )
      .toBe(1);
    await expectReadOnly(db, owner);
    expect(await readOnlyFindings(db)).toEqual([
      expect.objectContaining({
        severity: "error",
        message: "The server is a standby: it accepts no writes.",
      }),
    ]);
    await admin`select pg_promote()`;
    expect((await forUser(db, owner).setPhase(id, "review")).id).toBe(id);
    expect(await verify(db)).toEqual([]);
  });
});
