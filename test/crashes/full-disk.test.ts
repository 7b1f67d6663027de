import { existsSync, renameSync, symlinkSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { forUser } from "../../src/index.js";
import { migrate } from "../../src/maintenance/migrate.js";
import { verify } from "../../src/maintenance/verify/verify.js";
import type { Database } from "../../src/model/database.js";
import { newUser, openConnected, openNodePostgres, openPostgresJs, rawClient } from "../support/database.js";
import { errorOf, SECRET } from "../support/errors.js";
import { IN_ROWS, OPTIONAL } from "../support/layout.js";
import { idsOf, text } from "../support/messages.js";
import { type OwnServer, startOwnServer } from "../support/own-server.js";

// Servers that start again and pools that find them again take longer on a slow machine.
vi.setConfig({ testTimeout: 180_000 });

let server: OwnServer;
beforeAll(async () => {
  server = await startOwnServer();
  await migrate(openPostgresJs(server.url), { with: OPTIONAL });
});

const OPEN: Record<string, () => Promise<Database>> = {
  "connect()": () => openConnected(server.url),
  "node-postgres": async () => openNodePostgres(server.url),
};

/** The table's own file, and the one that large values go to. */
const TABLE = IN_ROWS ? "journey_messages" : "journey_sessions";
const FILES = {
  rows: `select pg_relation_filepath('journey_sessions') as path`,
  "large values": `select pg_relation_filepath(reltoastrelid) as path from pg_class where oid = '${TABLE}'::regclass`,
};

/**
 * Runs `body` while the device on which the file is has no space left: it is on /dev/full then,
 * which any user may write to, and on which the kernel answers every write with ENOSPC. The file is empty before.
 */
async function whileFull(file: keyof typeof FILES, body: () => Promise<void>): Promise<void> {
  const admin = rawClient(server.url, { max: 1 });
  await admin`truncate journey_sessions cascade`;
  const [row] = await admin<
    { path: string }[]
  >`select current_setting('data_directory') || '/' || path as path
    from (${admin.unsafe(FILES[file])}) as file`;
  const path = row?.path as string;
  await server.stop();
  renameSync(path, `${path}.kept`);
  symlinkSync("/dev/full", path);
  await server.start();
  try {
    await body();
  } finally {
    await server.stop();
    unlinkSync(path);
    renameSync(`${path}.kept`, path);
    await server.start();
  }
}

describe.each(Object.keys(OPEN))("%s: where the server's disk is full", (driver) => {
  let db: Database;
  beforeAll(async () => {
    db = await (OPEN[driver] as () => Promise<Database>)();
  });
  /** A pool that had connections is told of their end at their next use. */
  const reconnected = () =>
    expect
      .poll(
        () =>
          forUser(db, newUser())
            .count()
            .catch(() => -1),
        { timeout: 20_000 },
      )
      .toBe(0);
  // What does not compress is kept apart from the row.
  const large = Array.from({ length: 2_000 }, () => Math.random().toString(36)).join(SECRET);

  it("a write that needs room is refused and changes nothing, others go on, and it succeeds once there is room", async () => {
    const owner = newUser();
    const sessions = forUser(db, owner);
    let id = "";
    await whileFull("large values", async () => {
      await reconnected();
      ({ id } = await sessions.create({ messages: [text("m1")] }));
      const { revision } = await sessions.messages(id);
      const error = await errorOf(sessions.append(id, text("m2", large)));
      expect(error).toMatchObject({ code: "unavailable", sqlState: "53100", retryable: true });
      expect(error.message).toBe("The database returned SQLSTATE 53100: the server's disk is full.");
      expect(await errorOf(sessions.replaceMessages(id, [text("m2", large)]))).toMatchObject({
        code: "unavailable",
        sqlState: "53100",
      });
      expect(await errorOf(forUser(db, owner).create({ messages: [text("m2", large)] }))).toMatchObject({
        code: "unavailable",
        sqlState: "53100",
      });
      expect((await sessions.messages(id)).revision).toBe(revision);
      // What is short needs no room but what the row has.
      await sessions.append(id, text("m3"));
      expect(idsOf((await sessions.messages(id)).messages)).toEqual(["m1", "m3"]);
      expect(await sessions.count()).toBe(1);
    });
    await reconnected();
    await sessions.append(id, text("m2", large));
    expect((await sessions.get(id))?.messages).toEqual([text("m1"), text("m3"), text("m2", large)]);
  });

  it("verify says why no session can be made", async () => {
    await whileFull("rows", async () => {
      await reconnected();
      const sessions = forUser(db, newUser());
      expect(await errorOf(sessions.create({}))).toMatchObject({ code: "unavailable", sqlState: "53100" });
      expect(await verify(db)).toEqual([
        {
          severity: "error",
          code: "disk_full",
          message: "The server's disk is full: SQLSTATE 53100.",
          remedy: "make room on the server's disk",
        },
      ]);
    });
    await reconnected();
    expect(await verify(db)).toEqual([]);
  });
});

it("where there is no room for the write-ahead log the server stops, every call is told unavailable, and nothing acknowledged is lost", async () => {
  const db = await openConnected(server.url);
  const sessions = forUser(db, newUser());
  const { id } = await sessions.create();
  const admin = rawClient(server.url, { max: 1 });
  const [at] =
    await admin`select current_setting('data_directory') as data, pg_walfile_name(pg_current_wal_lsn()) as segment`;
  const next = (n: number) =>
    join(
      at?.data,
      "pg_wal",
      (BigInt(`0x${at?.segment}`) + BigInt(n)).toString(16).toUpperCase().padStart(24, "0"),
    );
  await server.stop();
  // The log goes on in files that are there, and these are full.
  const segments = [1, 2, 3, 4].map(next);
  for (const segment of segments) {
    if (existsSync(segment)) unlinkSync(segment);
    symlinkSync("/dev/full", segment);
  }
  await server.start();
  const acknowledged: string[] = [];
  const errors: unknown[] = [];
  while (errors.length < 3) {
    const message = text(
      `m${acknowledged.length}`,
      Array.from({ length: 80_000 }, () => Math.random().toString(36)).join(SECRET),
    );
    await sessions.replaceMessages(id, [message]).then(
      () => acknowledged.push(message.id),
      (error) => errors.push(error),
    );
  }
  for (const error of errors) expect(error).toMatchObject({ name: "JourneyDbError", code: "unavailable" });
  expect(JSON.stringify(errors)).not.toContain(SECRET);
  // It is starting again and again, and obeys no other signal in between.
  await server.crash();
  for (const segment of segments) unlinkSync(segment);
  await server.start();
  const stored = () => sessions.get(id).catch(() => null);
  await expect.poll(stored, { timeout: 20_000 }).not.toBeNull();
  expect(idsOf((await stored())?.messages ?? [])).toEqual(acknowledged.slice(-1));
});
