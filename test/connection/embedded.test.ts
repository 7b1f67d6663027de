import { spawn } from "node:child_process";
import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { openEmbedded } from "../../src/connection/embedded.js";
import { lockFolder } from "../../src/connection/folder-lock.js";
import { shippedMigrations } from "../../src/maintenance/migrate.js";
import { forUser } from "../../src/sessions/define-journey.js";
import { newUser } from "../support/database.js";
import { runCode, temporaryFolder } from "../support/program.js";

// Creating a database takes seconds.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

const user = newUser();
/** The id of a user other than root: nobody, or the user who runs the tests. */
const READER = process.getuid?.() || 65534;
/** The folder of a database with one session that was created with umask 0. Not open. */
let created: string;
/** The files that other users could access while the database was open, and after it was closed. */
let openWhile: string[];
let openAfter: string[];

/** The files that group or others may access. */
const openToOthers = (folder: string) =>
  ["", ...readdirSync(folder, { recursive: true, encoding: "utf8" })].filter(
    (name) => statSync(join(folder, name)).mode & 0o077,
  );

/** Opens a folder, and closes it after the test. */
async function open(folder: string) {
  const connection = await openEmbedded(folder);
  onTestFinished(() => connection.close());
  return connection;
}

const copyTo = (folder: string) => cpSync(created, folder, { recursive: true });

/** A copy of that folder, removed after the test. */
function createdFolder(): string {
  const folder = join(temporaryFolder(), ".journey-db");
  copyTo(folder);
  return folder;
}

beforeAll(async () => {
  created = mkdtempSync(join(tmpdir(), "journey-db-"));
  // What a process leaves that is killed while it creates a database.
  mkdirSync(join(created, "unfinished-1", "data", "base"), { recursive: true });
  writeFileSync(join(created, "unfinished-1", "lock"), "");
  const umask = process.umask(0);
  const { db, close } = await openEmbedded(created);
  await forUser(db, user).create();
  openWhile = openToOthers(created);
  await close();
  process.umask(umask);
  openAfter = openToOthers(created);
});
afterAll(() => rmSync(created, { recursive: true, force: true }));

/** Opens the embedded database of its working directory, creates a session, and closes it when stdin has data. */
const holder = (cwd: string, env?: Record<string, string>, options = "{}") =>
  runCode(
    `
    import { connect } from "#/src/connection/connect.ts";
    import { forUser } from "#/src/sessions/define-journey.ts";
    const { db, close } = await connect(${options});
    await forUser(db, "${user}").create();
    process.stdin.once("data", async () => {
      process.stdin.destroy();
      await close();
    });
    console.error("holding");
    `,
    cwd,
    env,
  );

/** Creates the embedded database of its working directory and keeps it locked. */
const locker = (cwd: string) =>
  runCode(
    `
    import { lockFolder } from "#/src/connection/folder-lock.ts";
    await lockFolder(".journey-db");
    process.stdin.resume();
    console.error("holding");
    `,
    cwd,
  );

const taken = (by: string | RegExp) => ({
  code: "unavailable",
  retryable: true,
  message: expect.stringMatching(new RegExp(`is open in ${by}.*DATABASE_URL`)),
});

test("without DATABASE_URL, connect opens .journey-db in the working directory, says so on stderr, and ends", async () => {
  const folder = createdFolder();
  const program = holder(join(folder, ".."), { DATABASE_URL: "" });
  await program.printed("holding");
  program.child.stdin?.write("\n");
  expect(await program.ended).toBe(0);
  expect(program.stdout()).toBe("");
  expect(program.stderr()).toMatch(/^journey-db: DATABASE_URL is not set; .* \.journey-db\/\nholding\n$/);
  expect(readFileSync(join(folder, ".gitignore"), "utf8")).toBe("*\n");
  const { db } = await open(folder);
  expect(await forUser(db, user).count()).toBe(2);
});

test("in production too, where it is asked for", async () => {
  const env = { DATABASE_URL: "", NODE_ENV: "production" };
  const program = holder(join(createdFolder(), ".."), env, "{ embedded: true }");
  await program.printed("holding");
  program.child.stdin?.write("\n");
  expect(await program.ended).toBe(0);
});

describe("migrations", () => {
  test("are applied when it is opened, which is said once, also in production", async () => {
    const folder = createdFolder();
    const { db, close } = await openEmbedded(folder);
    await db.$client.exec("drop schema public, drizzle cascade; create schema public");
    await close();
    const { ended, stderr } = runCode(
      `
      import { connect } from "#/src/connection/connect.ts";
      import { migrate } from "#/src/migrate.ts";
      const first = await connect({ embedded: true });
      const { applied } = await migrate(first.db);
      await first.close();
      await (await connect({ embedded: true })).close();
      console.error(JSON.stringify(applied));
      `,
      join(folder, ".."),
      { DATABASE_URL: "", NODE_ENV: "production" },
    );
    expect(await ended).toBe(0);
    const [first, migrated, second, applied] = stderr().split("\n");
    expect([first, second]).toEqual(Array(2).fill(expect.stringContaining("using the embedded database")));
    expect(migrated).toBe(
      `journey-db: migrated the embedded database: ${shippedMigrations()
        .map(({ name }) => name)
        .join(", ")}`,
    );
    expect(applied).toBe("[]");
  });

  test("of message rows are applied where connect names them, and stay", async () => {
    const { ended, stderr } = runCode(
      `
      import { connect, defineJourney } from "#/src/index.ts";
      import { messagesTable } from "#/src/message-rows.ts";
      import { journeySessions } from "#/src/schema.ts";
      const { forUser } = defineJourney({ messages: messagesTable(journeySessions) });
      const first = await connect({ embedded: true, with: ["message-rows"] });
      const { id } = await forUser(first.db, "user_a").create({ messages: [{ id: "m1", role: "user", parts: [{ type: "text", text: "a" }] }] });
      await first.close();
      const second = await connect({ embedded: true });
      console.error(JSON.stringify((await forUser(second.db, "user_a").get(id)).messages.map(({ id }) => id)));
      await second.close();
      `,
      join(createdFolder(), ".."),
      { DATABASE_URL: "", NODE_ENV: "production" },
    );
    expect(await ended).toBe(0);
    const [, migrated, , ids] = stderr().split("\n");
    expect(migrated).toBe(
      `journey-db: migrated the embedded database: ${shippedMigrations("message-rows")
        .map(({ name }) => name)
        .join(", ")}`,
    );
    expect(ids).toBe('["m1"]');
  });

  test("of durable replies are applied where connect names them, and stay", async () => {
    const { ended, stderr } = runCode(
      `
      import { connect, defineJourney } from "#/src/index.ts";
      import { replyTables } from "#/src/durable-replies.ts";
      import { journeySessions } from "#/src/schema.ts";
      const { forUser } = defineJourney({ replies: replyTables(journeySessions).replies });
      const first = await connect({ embedded: true, with: ["message-rows", "durable-replies"] });
      const { id } = await forUser(first.db, "user_a").create();
      await forUser(first.db, "user_a").replies.start(id, "r1");
      await first.close();
      const second = await connect({ embedded: true });
      console.error((await forUser(second.db, "user_a").replies.read(id)).replyId);
      await second.close();
      `,
      join(createdFolder(), ".."),
      { DATABASE_URL: "", NODE_ENV: "production" },
    );
    expect(await ended).toBe(0);
    const [, migrated, , reply] = stderr().split("\n");
    const shipped = (["message-rows", "durable-replies"] as const).flatMap(shippedMigrations);
    expect(migrated).toBe(
      `journey-db: migrated the embedded database: ${shipped.map(({ name }) => name).join(", ")}`,
    );
    expect(reply).toBe("r1");
  });

  test("that fail give the folder free", async () => {
    const folder = createdFolder();
    const { db, close } = await openEmbedded(folder);
    await db.execute("alter table journey_sessions rename to elsewhere");
    await close();
    const failed = { code: "migration", message: expect.stringContaining("journey-db verify") };
    await expect(openEmbedded(folder)).rejects.toMatchObject(failed);
    await expect(openEmbedded(folder)).rejects.toMatchObject(failed);
    await expect(
      openEmbedded(folder, { migrates: false }).then(({ close }) => close()),
    ).resolves.toBeUndefined();
  });
});

describe("a folder that is open", () => {
  test("is refused to another process until its holder is killed, which loses no session", async () => {
    const folder = createdFolder();
    const program = holder(join(folder, ".."));
    await program.printed("holding");
    await expect(openEmbedded(folder)).rejects.toMatchObject(taken(`process ${program.child.pid};`));
    program.child.kill("SIGKILL");
    expect(await program.ended).toBe("SIGKILL");
    const { db } = await open(folder);
    expect(await forUser(db, user).count()).toBe(2);
    await forUser(db, user).create();
  });

  test("is refused to the same process until it is closed", async () => {
    const folder = createdFolder();
    const first = await open(folder);
    await expect(openEmbedded(folder)).rejects.toMatchObject(taken("this process already"));
    expect(await forUser(first.db, user).count()).toBe(1);
    await Promise.all([first.close(), first.close()]);
    await expect(forUser(first.db, user).count()).rejects.toMatchObject({ code: "unavailable" });
    const second = await open(folder);
    expect(await forUser(second.db, user).count()).toBe(1);
    await first.close();
    await expect(openEmbedded(folder)).rejects.toMatchObject(taken("this process already"));
  });

  test("goes to one of those that want it at once", async () => {
    const folder = createdFolder();
    const attempts = await Promise.allSettled([1, 2, 3, 4].map(() => open(folder)));
    expect(attempts.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });

  test("stays taken while a transaction runs that close did not wait for", async () => {
    const folder = createdFolder();
    const { db, close } = await open(folder);
    let begun = () => {};
    const hasBegun = new Promise<void>((resolve) => {
      begun = resolve;
    });
    let finish = () => {};
    const transaction = db.transaction(async () => {
      begun();
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
    });
    await hasBegun;
    await close();
    await expect(openEmbedded(folder)).rejects.toMatchObject(taken("this process already"));
    finish();
    await transaction.catch(() => {});
    await vi.waitFor(() => open(folder), 30_000);
  });

  test("is held by a child that inherits the lock, after its parent has let go", async () => {
    const folder = createdFolder();
    const lock = await lockFolder(folder);
    const child = spawn(process.execPath, ["-e", "process.stdin.resume()"], {
      stdio: ["pipe", "ignore", "ignore", lock.fd],
    });
    lock.setHolder(child.pid ?? 0);
    lock.release();
    await expect(lockFolder(folder)).rejects.toMatchObject(taken(`process ${child.pid};`));
    child.stdin?.end();
    (await vi.waitFor(() => lockFolder(folder), 30_000)).release();
  });
});

describe("a folder that cannot be used", () => {
  const damaged = { code: "corrupt", message: expect.stringContaining("move that folder away") };

  test.each<[string, (data: string) => void]>([
    ["its control file is cut", (data) => writeFileSync(join(data, "global", "pg_control"), "")],
    [
      "its control file is garbage",
      (data) => writeFileSync(join(data, "global", "pg_control"), Buffer.alloc(8192, 7)),
    ],
    ["its log is gone", (data) => rmSync(join(data, "pg_wal"), { recursive: true })],
    ["it is another version's", (data) => writeFileSync(join(data, "PG_VERSION"), "13\n")],
    [
      "it is a file",
      (data) => {
        rmSync(data, { recursive: true });
        writeFileSync(data, "");
      },
    ],
  ])("because %s is refused and unlocked", async (_, damage) => {
    const folder = createdFolder();
    damage(join(folder, "data"));
    await expect(openEmbedded(folder)).rejects.toMatchObject(damaged);
    await lockFolder(folder).then(
      (lock) => lock.release(),
      (error) => expect(error).toMatchObject(damaged),
    );
  });

  test("because it has no version keeps the sessions that are in it", async () => {
    const folder = createdFolder();
    const version = join(folder, "data", "PG_VERSION");
    const was = readFileSync(version);
    rmSync(version);
    await expect(openEmbedded(folder)).rejects.toMatchObject(damaged);
    writeFileSync(version, was);
    expect(await forUser((await open(folder)).db, user).count()).toBe(1);
  });

  test("because a file has its name is refused", async () => {
    const folder = join(temporaryFolder(), "file");
    writeFileSync(folder, "");
    await expect(openEmbedded(folder)).rejects.toMatchObject({
      code: "configuration",
      message: expect.stringMatching(/cannot be read, written or locked \(EEXIST\); .* set DATABASE_URL/),
    });
  });

  test("because this user may not read it is not called damaged", async () => {
    const cwd = temporaryFolder();
    const folder = join(cwd, ".journey-db");
    const data = join(folder, "data");
    copyTo(folder);
    chmodSync(data, 0o000);
    for (const path of [cwd, folder, join(folder, "lock"), data]) chownSync(path, READER, READER);
    const code = `
      import { openEmbedded } from "#/src/connection/embedded.ts";
      // Everything must be imported first: only root may read root's working copy.
      await (await openEmbedded("${created}")).close();
      if (process.getuid() === 0) process.setuid(${READER});
      await openEmbedded(".journey-db").catch((error) => console.log(error.code, error.message));
    `;
    const { ended, stdout } = runCode(code, cwd);
    expect(await ended).toBe(0);
    expect(stdout()).toMatch(
      /^configuration .*data of the .* cannot be read, written or locked \(EACCES\); .* set DATABASE_URL instead\.\n$/,
    );
    chmodSync(data, 0o700);
  });

  /** Makes a folder READER's and runs code in it, which can then become READER. */
  function asReader(cwd: string, code: string) {
    for (const name of ["", ...readdirSync(cwd, { recursive: true, encoding: "utf8" })])
      chownSync(join(cwd, name), READER, READER);
    return runCode(
      `
      import { chownSync, readdirSync, statSync } from "node:fs";
      import { openEmbedded } from "#/src/connection/embedded.ts";
      const says = () =>
        openEmbedded(".journey-db").then(
          async ({ close }) => { await close(); console.log("opened"); },
          ({ code, message }) => console.log(code, message),
        );
      // Everything must be imported first: only root may read root's working copy.
      await (await openEmbedded("${created}")).close();
      ${code}
      `,
      cwd,
    );
  }

  // Only root can create files of another user. Not defined otherwise, rather than skipped.
  if (process.getuid?.() === 0) {
    test("because it is another user's is refused, and left as it is", async () => {
      const folder = createdFolder();
      const { ended, stdout } = asReader(
        join(folder, ".."),
        `
      await says();
      const names = readdirSync(".", { recursive: true });
      console.log(names.filter((name) => statSync(name).uid !== ${READER}).length);
      process.setuid(${READER});
      await says();
      `,
      );
      expect(await ended).toBe(0);
      expect(stdout()).toMatch(
        /^configuration .* belongs to another user; run this as that user, or set DATABASE_URL instead\.\n0\nopened\n$/,
      );
    });

    test("because a file in it is another user's is not called damaged", async () => {
      const folder = createdFolder();
      const { ended, stdout } = asReader(
        join(folder, ".."),
        `
      chownSync(".journey-db/data/global/pg_control", 0, 0);
      process.setuid(${READER});
      await says();
      `,
      );
      expect(await ended).toBe(0);
      expect(stdout()).toMatch(
        /^configuration .*pg_control of the .* cannot be read, written or locked \(EACCES\); .*\n$/,
      );
      expect(stdout()).not.toContain("move that folder");
    });
  }

  test.each(["0777", "0277"])(
    "because of the umask %s is refused, and works with another umask",
    async (umask) => {
      const { ended, stdout } = asReader(
        // The first umask when a database is created, the second when it is opened.
        umask === "0777" ? temporaryFolder() : join(createdFolder(), ".."),
        `
        process.setuid(${READER});
        process.umask(0o${umask});
        await says();
        process.umask(0o022);
        await says();
        `,
      );
      expect(await ended).toBe(0);
      expect(stdout()).toMatch(/^configuration The umask .*; use another umask.*\nopened\n$/);
    },
  );

  test("because its making was cut short is made anew, and nothing of it stays", () => {
    expect(readdirSync(created).toSorted()).toEqual([".gitignore", "data", "lock"]);
  });
});

describe("a folder in which a database is being made", () => {
  /** A process that is creating a database. */
  async function making(cwd: string) {
    const program = locker(cwd);
    const names = () => readdirSync(join(cwd, ".journey-db"), { recursive: true, encoding: "utf8" });
    await vi.waitFor(() => expect(names().join("\n")).toMatch(/^unfinished-.*base$/m), 20_000);
    return program;
  }

  test("is never called damaged when its file lock was deleted, and one process gets it", async () => {
    const cwd = temporaryFolder();
    const folder = join(cwd, ".journey-db");
    const program = await making(cwd);
    rmSync(join(folder, "lock"));
    const [first, second] = await Promise.allSettled([program.printed("holding"), lockFolder(folder)]);
    expect([first.status, second.status].toSorted()).toEqual(["fulfilled", "rejected"]);
    if (first.status === "rejected")
      expect(program.stderr()).toMatch(/code: 'unavailable',\s+retryable: true/);
    if (second.status === "rejected")
      expect(second.reason).toMatchObject({ code: "unavailable", retryable: true });
    if (second.status === "fulfilled") second.value.release();
    program.child.kill("SIGKILL");
    await program.ended;
    await open(folder);
    expect(readdirSync(folder).toSorted()).toEqual([".gitignore", "data", "lock"]);
  });

  test("is not called damaged when it was moved", async () => {
    const cwd = temporaryFolder();
    const program = await making(cwd);
    renameSync(join(cwd, ".journey-db"), join(cwd, "moved"));
    expect(await program.ended).toBe(1);
    expect(program.stderr()).toMatch(
      /was removed, moved or replaced while it was being opened; connect again/,
    );
    expect(program.stderr()).toMatch(/code: 'unavailable',\s+retryable: true/);
  });
});

describe("a folder that is taken away while it is open", () => {
  const gone = {
    code: "unavailable",
    message: expect.stringMatching(/was removed, moved or replaced .*; close it and connect again\.$/),
  };

  test("is refused to others when its file lock was deleted", async () => {
    const folder = createdFolder();
    const program = holder(join(folder, ".."));
    await program.printed("holding");
    rmSync(join(folder, "lock"));
    await expect(openEmbedded(folder)).rejects.toMatchObject(taken("another process"));
    writeFileSync(join(folder, "lock"), "");
    await expect(openEmbedded(folder)).rejects.toMatchObject(taken("another process"));
    program.child.stdin?.write("\n");
    expect(await program.ended).toBe(0);
    expect(await forUser((await open(folder)).db, user).count()).toBe(2);
  });

  test("is refused to others under another name", async () => {
    const folder = createdFolder();
    await open(folder);
    const link = join(temporaryFolder(), "link");
    symlinkSync(folder, link);
    await expect(openEmbedded(link)).rejects.toMatchObject(taken("this process already"));
    const moved = `${folder}-moved`;
    renameSync(folder, moved);
    await expect(openEmbedded(moved)).rejects.toMatchObject(taken("this process already"));
    // So that it can be closed.
    renameSync(moved, folder);
  });

  test.each<[string, (folder: string) => void]>([
    ["removed", (folder) => rmSync(folder, { recursive: true })],
    ["moved", (folder) => renameSync(folder, `${folder}-moved`)],
    ["emptied", (folder) => rmSync(join(folder, "data"), { recursive: true })],
  ])("and is %s takes no calls more, and leaves the next one alone", async (_, takeAway) => {
    const folder = createdFolder();
    const first = await open(folder);
    let goOn = () => {};
    const waiting = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    let begun = () => {};
    const hasBegun = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const transaction = first.db.transaction(async (tx) => {
      begun();
      await waiting;
      await forUser(tx, user).create();
    });
    await hasBegun;
    takeAway(folder);
    copyTo(folder);
    const second = await open(folder);
    await forUser(second.db, user).create();
    goOn();
    await expect(transaction).rejects.toThrow();
    await expect(forUser(first.db, user).create()).rejects.toMatchObject(gone);
    await first.close();
    await second.close();
    expect(await forUser((await open(folder)).db, user).count()).toBe(2);
  });

  test("and opened again holds what was acknowledged, where it was moved", async () => {
    const folder = createdFolder();
    const first = await open(folder);
    await forUser(first.db, user).create();
    renameSync(folder, `${folder}-moved`);
    await first.close();
    const { db } = await open(`${folder}-moved`);
    expect(await forUser(db, user).count()).toBe(2);
  });
});

describe("a full disk", () => {
  test("is said, and the same process opens the folder once there is room", async () => {
    const folder = createdFolder();
    // The kernel refuses every write to it with ENOSPC.
    symlinkSync("/dev/full", join(folder, "probe"));
    const program = runCode(
      `
      import { execFileSync } from "node:child_process";
      import { openEmbedded } from "#/src/connection/embedded.ts";
      const limit = (bytes) => execFileSync("prlimit", ["--pid", String(process.pid), "--fsize=" + bytes + ":"]);
      limit(0);
      await openEmbedded(".journey-db").catch(({ code, retryable, message }) => console.log(code, retryable, message));
      limit("unlimited");
      await (await openEmbedded(".journey-db")).close();
      console.log("opened");
      `,
      join(folder, ".."),
    );
    expect(await program.ended).toBe(0);
    expect(program.stdout()).toMatch(
      /^unavailable true The disk of the embedded database in .* is full \(ENOSPC\); free at least 16 MB\.\nopened\n$/,
    );
  });

  test("while a database is made leaves nothing behind, and the same process makes it once there is room", async () => {
    const cwd = temporaryFolder();
    const program = runCode(
      `
      import { execFileSync } from "node:child_process";
      import { readdirSync } from "node:fs";
      import { lockFolder } from "#/src/connection/folder-lock.ts";
      const limit = (bytes) => execFileSync("prlimit", ["--pid", String(process.pid), "--fsize=" + bytes + ":"]);
      limit(1_000_000);
      await lockFolder("folder").catch(({ name, code, message }) => console.log(name, code, message));
      console.log(readdirSync("folder").sort().join());
      limit("unlimited");
      (await lockFolder("folder")).release();
      console.log("created");
      `,
      cwd,
    );
    expect(await program.ended).toBe(0);
    expect(program.stdout()).toMatch(
      /^JourneyDbError configuration .* cannot be .* \(EFBIG\); .*\n\.gitignore,lock\ncreated\n$/,
    );
  });

  test("for the log stops the database, and every call fails until it is opened again", async () => {
    const folder = createdFolder();
    const program = runCode(
      `
      import { execFileSync } from "node:child_process";
      import { sql } from "#/node_modules/drizzle-orm/index.js";
      import { openEmbedded } from "#/src/connection/embedded.ts";
      import { forUser } from "#/src/sessions/define-journey.ts";
      const { db, close } = await openEmbedded(".journey-db");
      execFileSync("prlimit", ["--pid", String(process.pid), "--fsize=1000000:"]);
      const fill = () => db.execute(sql\`select pg_logical_emit_message(true, '', repeat('x', 1000000))\`);
      for (let done = false; !done; ) await fill().catch(() => { done = true; });
      const say = ({ name, code, message }) => console.log(name, code, message);
      await forUser(db, "${user}").count().catch(say);
      await db.transaction((tx) => forUser(tx, "${user}").count()).catch(say);
      await close();
      execFileSync("prlimit", ["--pid", String(process.pid), "--fsize=unlimited:"]);
      const again = await openEmbedded(".journey-db");
      console.log(await forUser(again.db, "${user}").count());
      await again.close();
      `,
      join(folder, ".."),
    );
    expect(await program.ended).toBe(0);
    expect(program.stdout()).toMatch(
      /^(JourneyDbError unavailable The embedded database .* stopped with SQLSTATE \w{5} .*; close it and connect again\.\n){2}1\n$/,
    );
  });
});

describe("to other users of the machine", () => {
  test("the folder is closed, and each file in it, whatever the umask", () => {
    expect(openWhile).toEqual([]);
    expect(openAfter).toEqual([]);
  });

  test("one that was open to them is closed when it is opened", async () => {
    const folder = createdFolder();
    for (const path of ["", ...readdirSync(folder, { recursive: true, encoding: "utf8" })])
      chmodSync(join(folder, path), 0o777);
    await open(folder);
    expect(openToOthers(folder)).toEqual([]);
  });
});
