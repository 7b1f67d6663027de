import { spawn } from "node:child_process";
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { lockFolder, openEmbedded } from "../src/embedded.js";
import { migrate } from "../src/migrate.js";
import { forUser } from "../src/sessions.js";
import { newUser } from "./support/database.js";
import { runCode, temporaryFolder } from "./support/program.js";

const user = newUser();
/** A user who is not root: nobody, or the one who runs the tests. */
const READER = process.getuid?.() || 65534;
let prepared: string;

/** Opens a folder, closed after the test. */
async function open(folder: string) {
  const connection = await openEmbedded(folder);
  onTestFinished(() => connection.close());
  return connection;
}

/** A migrated database in a folder of one test's own, not open. */
function preparedFolder(): string {
  const folder = join(temporaryFolder(), ".journey-db");
  cpSync(prepared, folder, { recursive: true });
  return folder;
}

beforeAll(async () => {
  prepared = mkdtempSync(join(tmpdir(), "journey-db-"));
  const { db, close } = await openEmbedded(prepared);
  await migrate(db);
  await forUser(db, user).create();
  await close();
});
afterAll(() => rmSync(prepared, { recursive: true, force: true }));

/** Opens the embedded database of its working directory, makes a session and waits for its end. */
const holder = (cwd: string, env?: Record<string, string>, options = "{}") =>
  runCode(
    `
    import { connect } from "#/src/connect.ts";
    import { migrate } from "#/src/migrate.ts";
    import { forUser } from "#/src/sessions.ts";
    const { db, close } = await connect(${options});
    await migrate(db);
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

const taken = (by: string | RegExp) => ({
  code: "unavailable",
  retryable: true,
  message: expect.stringMatching(new RegExp(`is open in ${by}.*DATABASE_URL`)),
});

test("without DATABASE_URL, connect opens .journey-db in the working directory, says so on stderr, and ends", async () => {
  const cwd = temporaryFolder();
  const program = holder(cwd, { DATABASE_URL: "" });
  await program.printed("holding");
  program.child.stdin?.write("\n");
  expect(await program.ended).toBe(0);
  expect(program.stdout()).toBe("");
  expect(program.stderr()).toMatch(/^journey-db: DATABASE_URL is not set; .* \.journey-db\/\nholding\n$/);
  expect(readFileSync(join(cwd, ".journey-db", ".gitignore"), "utf8")).toBe("*\n");
  const { db } = await open(join(cwd, ".journey-db"));
  expect(await forUser(db, user).count()).toBe(1);
});

test("in production too, where it is asked for", async () => {
  const program = holder(
    temporaryFolder(),
    { DATABASE_URL: "", NODE_ENV: "production" },
    "{ embedded: true }",
  );
  await program.printed("holding");
  program.child.stdin?.write("\n");
  expect(await program.ended).toBe(0);
});

describe("a folder that is open", () => {
  test("is refused to another process until its holder is killed, which loses no session", async () => {
    const folder = preparedFolder();
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
    const folder = preparedFolder();
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
    const folder = preparedFolder();
    const attempts = await Promise.allSettled([1, 2, 3, 4].map(() => open(folder)));
    expect(attempts.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });

  test("stays taken while a transaction runs that close did not wait for", async () => {
    const folder = preparedFolder();
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
    await vi.waitFor(() => open(folder));
  });

  test("is held by a child that inherits the lock, after its parent has let go", async () => {
    const folder = temporaryFolder();
    const lock = await lockFolder(folder);
    const child = spawn(process.execPath, ["-e", "process.stdin.resume()"], {
      stdio: ["pipe", "ignore", "ignore", lock.fd],
    });
    lock.name(child.pid ?? 0);
    lock.release();
    await expect(lockFolder(folder)).rejects.toMatchObject(taken(`process ${child.pid};`));
    child.stdin?.end();
    (await vi.waitFor(() => lockFolder(folder))).release();
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
    ["it has no version", (data) => rmSync(join(data, "PG_VERSION"))],
    [
      "it is a file",
      (data) => {
        rmSync(data, { recursive: true });
        writeFileSync(data, "");
      },
    ],
  ])("because %s is refused and unlocked", async (_, damage) => {
    const folder = preparedFolder();
    damage(join(folder, "data"));
    await expect(openEmbedded(folder)).rejects.toMatchObject(damaged);
    await expect(openEmbedded(folder)).rejects.toMatchObject(damaged);
    (await lockFolder(folder)).release();
  });

  test("because it has no version keeps the sessions that are in it", async () => {
    const folder = preparedFolder();
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
      message: expect.stringMatching(/cannot be read, written or locked \(EEXIST\); set DATABASE_URL/),
    });
  });

  test("because this user may not read it is not called damaged", async () => {
    const cwd = temporaryFolder();
    const folder = join(cwd, ".journey-db");
    const data = join(folder, "data");
    cpSync(prepared, folder, { recursive: true });
    chmodSync(data, 0o000);
    for (const path of [cwd, folder, join(folder, "lock"), data]) chownSync(path, READER, READER);
    const code = `
      import { openEmbedded } from "#/src/embedded.ts";
      // All that it imports must be there first: only root may read where root has checked out.
      await (await openEmbedded("another")).close();
      if (process.getuid() === 0) process.setuid(${READER});
      await openEmbedded(".journey-db").catch((error) => console.log(error.code, error.message));
    `;
    const { ended, stdout } = runCode(code, cwd);
    expect(await ended).toBe(0);
    expect(stdout()).toMatch(
      /^configuration .*data .* cannot be read, written or locked \(EACCES\); set DATABASE_URL instead\.\n$/,
    );
    chmodSync(data, 0o700);
  });

  test("because its making was cut short is made anew", async () => {
    const cwd = temporaryFolder();
    const folder = join(cwd, ".journey-db");
    const program = holder(cwd);
    await vi.waitFor(() => expect(existsSync(join(folder, "data", "PG_VERSION"))).toBe(true), 20_000);
    program.child.kill("SIGKILL");
    await program.ended;
    // Wherever the kill met it: now the rest is certainly unusable.
    mkdirSync(join(folder, "data"), { recursive: true });
    rmSync(join(folder, "data", "global"), { recursive: true, force: true });
    writeFileSync(join(folder, "unfinished"), "");
    const { db } = await open(folder);
    expect((await migrate(db)).applied).not.toEqual([]);
    expect(existsSync(join(folder, "unfinished"))).toBe(false);
  });
});
