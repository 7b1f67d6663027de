import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { EMBEDDED_FOLDER } from "../../src/connection/connect.js";
import { openEmbedded } from "../../src/connection/embedded.js";
import { pendingMigrations, shippedMigrations } from "../../src/maintenance/migrate.js";
import { OPTIONAL, type OptionalMigrations } from "../../src/validation/options.js";
import { catalogueOf } from "../support/catalogue.js";
import { journeyDb, journeyDbAsIs, temporaryFolder } from "../support/cli.js";
import { emptyDatabase, migratedDatabase, onServer, rawClient } from "../support/database.js";
import { embeddedIn } from "../support/embedded.js";
import { OLD_TABLE } from "../support/old-table.js";
import { repository } from "../support/packages.js";
import { runScript } from "../support/program.js";
import { newRole } from "../support/roles.js";

const APPLIED = shippedMigrations()
  .map(({ name }) => `applied ${name}\n`)
  .join("");

/** Nothing may print its password, host name or user name. */
const SECRET_URL = "postgres://some_user:some_password@127.0.0.1:1/some_database";

const run = async (env: Record<string, string>, ...args: string[]) =>
  journeyDb(await temporaryFolder(), env, ...args);

describe("migrate", () => {
  test("prints what it applied, then that there is nothing to apply", async () => {
    const url = await emptyDatabase();
    expect(await run({}, "migrate", "--url", url)).toEqual({ status: 0, stdout: APPLIED, stderr: "" });
    expect(await run({}, "migrate", "--url", url)).toEqual({
      status: 0,
      stdout: "Nothing to apply.\n",
      stderr: "",
    });
  });

  test("prints with --dry-run the SQL that does the same, and changes nothing", async () => {
    const [url, other] = [await emptyDatabase(), await migratedDatabase()];
    const sql = rawClient(url);
    const before = await catalogueOf(sql);
    const { status, stdout, stderr } = await run({}, "migrate", "--dry-run", "--url", url);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(await catalogueOf(sql)).toEqual(before);
    await sql.unsafe(stdout);
    expect(await catalogueOf(sql)).toEqual(await catalogueOf(rawClient(other)));
    expect(await run({}, "migrate", "--dry-run", "--url", url)).toEqual({
      status: 0,
      stdout: "-- Nothing to apply.\n",
      stderr: "",
    });
  });

  test("applies with --with the optional migrations, and prints them with --dry-run", async () => {
    const url = await migratedDatabase();
    const namesOf = (...of: OptionalMigrations[]) => of.flatMap(shippedMigrations).map(({ name }) => name);
    const printed = (stdout: string) => stdout.match(/(?<=^-- )[a-z-]+\/.*/gm);
    const dry = await run({}, "migrate", "--with", "message-rows", "--dry-run", "--url", url);
    expect(printed(dry.stdout)).toEqual(namesOf("message-rows"));
    expect(await run({}, "migrate", "--url", url)).toMatchObject({
      status: 0,
      stdout: "Nothing to apply.\n",
    });
    for (const of of OPTIONAL)
      expect(await run({}, "migrate", "--with", of, "--url", url)).toEqual({
        status: 0,
        stdout: namesOf(of)
          .map((name) => `applied ${name}\n`)
          .join(""),
        stderr: "",
      });
    expect(await run({}, "verify", "--strict", "--url", url)).toMatchObject({ status: 0 });
    const folder = await temporaryFolder();
    const { stdout } = await journeyDb(
      folder,
      {},
      ..."migrate --embedded --dry-run --with message-rows durable-replies".split(" "),
    );
    expect(printed(stdout)).toEqual(namesOf("message-rows", "durable-replies"));
    expect(await run({}, "migrate", "--with", "others", "--url", url)).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("Allowed choices are message-rows, durable-replies."),
    });
  });

  test("says in one line which file failed, with what SQLSTATE and what to do, and exits with 1", async () => {
    const url = await emptyDatabase();
    await rawClient(url)`create view journey_sessions as select 1 as id`;
    const { status, stdout, stderr } = await run({}, "migrate", "--url", url);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toMatch(
      /^journey-db: migration: 0000_journey_sessions\.sql failed with SQLSTATE 42809 .*rename it\.\n$/,
    );
  });

  test("does not say that nothing is to be applied where the table is not there", async () => {
    const url = await migratedDatabase();
    const tenant = new URL(url);
    tenant.searchParams.set("search_path", "tenant");
    const sql = rawClient(url);
    await sql`create schema tenant`;
    const migrateBoth = (url: string) =>
      Promise.all([run({}, "migrate", "--url", url), run({}, "migrate", "--dry-run", "--url", url)]);
    for (const { status, stdout, stderr } of await migrateBoth(tenant.href)) {
      expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
      expect(stderr).toMatch(
        /^journey-db: migration: .*the table is in schema public, which is not on the role's search_path: .*\n$/,
      );
    }
    expect(await sql`select from pg_class where relnamespace = 'tenant'::regnamespace`).toHaveLength(0);
    await sql`drop table journey_sessions`;
    for (const { status, stdout, stderr } of await migrateBoth(url)) {
      expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
      expect(stderr).toMatch(/^journey-db: migration: .*the table is gone .* Run journey-db verify\.\n$/);
    }
  });

  test("says what to do once", async () => {
    const url = await emptyDatabase();
    await rawClient(url).unsafe(`${OLD_TABLE}; alter table journey_sessions alter user_id drop not null;
      insert into journey_sessions default values`);
    const { stderr } = await run({}, "migrate", "--url", url);
    expect(stderr.match(/journey-db verify/g)).toHaveLength(1);
  });
});

describe("verify", () => {
  test("says in one line that all is well, and exits with 0", async () => {
    const { status, stdout, stderr } = await run({}, "verify", "--url", await migratedDatabase());
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toMatch(/^ok .*\n$/);
  });

  test("prints a line with a remedy for each finding, and exits with 1 if one is an error", async () => {
    const url = await migratedDatabase();
    await rawClient(url)`drop trigger journey_sessions_updated_at on journey_sessions`;
    const { status, stdout, stderr } = await run({}, "verify", "--url", url);
    expect({ status, stderr }).toEqual({ status: 1, stderr: "" });
    expect(stdout.split("\n")).toEqual([
      expect.stringMatching(/^error {4}trigger_missing: .* Remedy: do \$remedy\$ .*;$/),
      expect.stringMatching(/^error {4}updated_at_unchanged: .* Remedy: .*\.$/),
      "",
    ]);
  });

  test("is not ok where something could not be checked", async () => {
    const { role, as } = await newRole();
    await onServer(`alter role ${role} bypassrls`);
    const url = await migratedDatabase();
    await rawClient(url).unsafe(`grant select, insert, update, delete on journey_sessions to ${role}`);
    const { status, stdout } = await run({}, "verify", "--url", as(url));
    expect({ status, lines: stdout.split("\n") }).toEqual({
      status: 0,
      lines: [expect.stringMatching(/^warning {2}unchecked: .*role that owns the table\.$/), ""],
    });
  });

  test("has ten minutes for a statement", async () => {
    const url = await migratedDatabase();
    await rawClient(url).unsafe(`create function ten_minutes() returns trigger language plpgsql as $$ begin
        assert current_setting('statement_timeout') = '10min'; return new; end $$;
      create trigger ten_minutes before insert on journey_sessions for each row execute function ten_minutes()`);
    const { status, stdout } = await run({}, "verify", "--url", url);
    expect(stdout).not.toContain("insert_failed");
    expect(status).toBe(0);
  });

  test("exits with 0 if all findings are warnings, and with --strict with 1", async () => {
    const url = await migratedDatabase();
    expect(await run({}, "verify", "--strict", "--url", url)).toMatchObject({ status: 0 });
    await rawClient(url)`alter table journey_sessions reset (fillfactor)`;
    const [{ status, stdout }, strict] = await Promise.all([
      run({}, "verify", "--url", url),
      run({}, "verify", "--strict", "--url", url),
    ]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^warning {2}storage: .*\nok {7}Nothing but warnings\.\n$/);
    expect(strict).toEqual({ status: 1, stdout, stderr: "" });
  });

  test("prints with --json what verify() returns and nothing else, with the same exit codes", async () => {
    const url = await migratedDatabase();
    const verified = async (...args: string[]) => {
      const { status, stdout, stderr } = await run({}, "verify", "--json", "--url", url, ...args);
      expect(stderr).toBe("");
      expect(stdout.endsWith("}\n")).toBe(true);
      return { status, ...JSON.parse(stdout) };
    };
    expect(await verified("--strict")).toEqual({ status: 0, findings: [] });
    const sql = rawClient(url);
    await sql`insert into journey_sessions (user_id, phase) values ('user_a', 'gone')`;
    expect(await verified("--phases", "setup, review", "--strict")).toMatchObject({
      status: 1,
      findings: [{ severity: "warning", code: "phase_unlisted" }],
    });
    await sql`create policy own on journey_sessions`;
    await sql`drop index idx_journey_sessions_user_id`;
    expect(await verified()).toEqual({
      status: 1,
      findings: [
        {
          severity: "error",
          code: "index_missing",
          message: "Index idx_journey_sessions_user_id is missing.",
          remedy: "create index idx_journey_sessions_user_id on journey_sessions using btree (user_id)",
          sql: "create index idx_journey_sessions_user_id on journey_sessions using btree (user_id)",
        },
        {
          severity: "note",
          code: "policy",
          message:
            "Policy own is not in the schema. It applies to roles that have privileges on the table and do not bypass row level security, which the package's role does.",
          remedy: "declare it in the table's schema with pgPolicy",
        },
      ],
    });
    const [unreachable, misused] = await Promise.all([
      run({}, "verify", "--json", "--url", SECRET_URL),
      run({}, "verify", "--phases", "", "--url", url),
    ]);
    expect(unreachable).toMatchObject({ status: 1, stdout: "" });
    expect(misused).toMatchObject({ status: 2, stdout: "" });
  });

  test("ends SQL with a semicolon, up to which a line can be copied", async () => {
    const url = await migratedDatabase();
    await rawClient(url).unsafe(
      "drop index idx_journey_sessions_user_id; insert into journey_sessions (user_id) values (' padded')",
    );
    const { stdout } = await run({}, "verify", "--url", url);
    expect(stdout).toMatch(/ Remedy: create index .* \(user_id\);\n/);
    expect(stdout).toMatch(/ Remedy: update journey_sessions .*; after making sure .*\.\n/);
  });

  test("prints notes last, and neither they nor --strict fail the command", async () => {
    const url = await migratedDatabase();
    await rawClient(url).unsafe(
      "alter table journey_sessions add title text; alter table journey_sessions reset (fillfactor)",
    );
    expect((await run({}, "verify", "--url", url)).stdout).toMatch(
      /^warning {2}storage: .*\nnote {5}column_unexpected: .* Remedy: declare it .*\.\nok .*warnings\.\n$/,
    );
    await rawClient(url)`alter table journey_sessions set (fillfactor = 60)`;
    const { status, stdout } = await run({}, "verify", "--strict", "--url", url);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^note {5}column_unexpected: .*\nok {7}Migrations, .*\n$/);
  });

  test("finds an old table wanting, without a word of what it holds", async () => {
    const url = await emptyDatabase();
    const sql = rawClient(url);
    await sql.unsafe(OLD_TABLE);
    await sql`insert into journey_sessions (user_id, messages) values ('some_user', '"some_text"')`;
    const { status, stdout, stderr } = await run({}, "verify", "--url", url);
    expect({ status, stderr }).toEqual({ status: 1, stderr: "" });
    expect(stdout).toContain("rows_forbidden: 1 row has a messages value that is not a JSON array");
    expect(stdout).not.toMatch(/some_/);
  });
});

describe("the database", () => {
  test("is that of --url, else of DIRECT_URL, else of DATABASE_URL", async () => {
    const migrated = await migratedDatabase();
    const outputOf = async ([env, ...args]: [Record<string, string>, ...string[]]) => ({
      given: [...Object.keys(env), ...args.slice(0, 1)],
      stdout: (await run(env, "migrate", ...args)).stdout,
    });
    const outputs = await Promise.all(
      (
        [
          [{ DIRECT_URL: SECRET_URL, DATABASE_URL: SECRET_URL }, "--url", migrated],
          [{ DIRECT_URL: migrated, DATABASE_URL: SECRET_URL }],
          [{ DATABASE_URL: migrated }],
          [{ DIRECT_URL: "", DATABASE_URL: migrated }],
        ] as [Record<string, string>, ...string[]][]
      ).map(outputOf),
    );
    for (const { given, stdout } of outputs) expect(stdout, given.join()).toBe("Nothing to apply.\n");
  });

  test("is the embedded one with --embedded, also in production", { timeout: 120_000 }, async () => {
    const folder = await temporaryFolder();
    const embedded = (...args: string[]) =>
      journeyDbAsIs(folder, { NODE_ENV: "production", DATABASE_URL: SECRET_URL }, ...args, "--embedded");
    const target = `journey-db: embedded database in ${join(folder, ".journey-db")}\n`;
    const commands = ["verify", "stats", "erase user_1 --yes", "export user_1"];
    for (const { status, stdout, stderr } of await Promise.all(
      commands.map((one) => embedded(...one.split(" "))),
    )) {
      expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
      expect(stderr).toMatch(
        /^.*\njourney-db: configuration: .* contains no database; migrate --embedded creates one\.\n$/,
      );
    }
    const script = expect.stringMatching(/^-- Run as one transaction/);
    expect(await embedded("migrate", "--dry-run")).toEqual({ status: 0, stdout: script, stderr: target });
    expect(readdirSync(folder)).toEqual([]);
    expect(await embedded("migrate")).toEqual({ status: 0, stdout: APPLIED, stderr: target });
    expect(await embedded("verify")).toEqual({
      status: 0,
      stdout: expect.stringMatching(/^ok/),
      stderr: target,
    });
    const nothing = { status: 0, stdout: "-- Nothing to apply.\n", stderr: target };
    expect(await embedded("migrate", "--dry-run")).toEqual(nothing);
  });

  test.each(["migrate --dry-run", "verify", "stats"])(
    "is not changed by %s --embedded",
    { timeout: 60_000 },
    async (command) => {
      const folder = await temporaryFolder();
      const database = await embeddedIn(folder, "empty");
      await journeyDb(folder, {}, ...command.split(" "), "--embedded");
      const opened = await openEmbedded(database, { migrates: false });
      expect(await pendingMigrations(opened.db)).toHaveLength(shippedMigrations().length);
      await opened.close();
    },
  );

  test.each([
    "migrate",
    "migrate --dry-run",
    "verify",
    "stats",
    "export user_1",
    "import user_1",
    "erase user_1",
    "erase user_1 --yes",
    "prune --inactive-for 1d",
    "convert-messages",
  ])("must be named: %s fails without one, and makes none", async (command) => {
    const folder = await temporaryFolder();
    const { status, stdout, stderr } = await journeyDbAsIs(folder, {}, ...command.split(" "));
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toMatch(
      /^journey-db: configuration: No database is named: .* DATABASE_URL .* --embedded .* in \.journey-db\.\n$/,
    );
    expect(readdirSync(folder)).toEqual([]);
  });

  test("that is embedded and there is mentioned where none is named", async () => {
    const folder = await temporaryFolder();
    mkdirSync(join(folder, EMBEDDED_FOLDER, "data"), { recursive: true });
    const { status, stderr } = await journeyDbAsIs(folder, {}, "erase", "user_1", "--yes");
    expect(status).toBe(1);
    expect(stderr).toContain(`in ${join(folder, EMBEDDED_FOLDER)}, which exists.`);
  });

  test("is named first, without the user or the password", async () => {
    const { stderr } = await journeyDbAsIs(await temporaryFolder(), {}, "verify", "--url", SECRET_URL);
    expect(stderr).toMatch(
      /^journey-db: postgres at 127\.0\.0\.1:1\/some_database\njourney-db: unavailable: /,
    );
    expect(stderr).not.toMatch(/some_user|some_password/);
  });

  test.each<[string, string, Record<string, string>, Record<string, string>]>([
    [".env", "env", { ".env": "env" }, {}],
    [".env.local before .env", "local", { ".env": "env", ".env.local": "local" }, {}],
    [
      ".env.development before .env",
      "development",
      { ".env": "env", ".env.development": "development", ".env.production": "production" },
      {},
    ],
    [
      ".env.production in production",
      "production",
      { ".env": "env", ".env.development": "development", ".env.production": "production" },
      { NODE_ENV: "production" },
    ],
    ["the environment before all", "environment", { ".env.local": "local" }, { DATABASE_URL: "environment" }],
  ])("is that of .env files as Next.js reads them: %s", async (_, expected, files, given) => {
    const folder = await temporaryFolder();
    const urlOf = (name: string) => `postgres://some_user:some_password@127.0.0.1:1/${name}`;
    for (const [name, database] of Object.entries(files))
      writeFileSync(join(folder, name), `DATABASE_URL="${urlOf(database)}"\n`);
    const { DATABASE_URL, ...env } = given;
    if (DATABASE_URL) Object.assign(env, { DATABASE_URL: urlOf(DATABASE_URL) });
    const { stdout, stderr } = await journeyDbAsIs(folder, env, "stats");
    expect(stdout).toBe("");
    expect(stderr).toContain(`journey-db: postgres at 127.0.0.1:1/${expected}\n`);
  });

  test.each(["migrate", "verify"])(
    "%s says in one line that it cannot be reached, and nothing of the URL",
    async (command) => {
      const { status, stdout, stderr } = await run({}, command, "--url", SECRET_URL);
      expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
      expect(stderr).toMatch(/^journey-db: unavailable: .*\n$/);
      expect(stderr).not.toMatch(/some_|127\.0\.0\.1/);
    },
  );

  test.each(["migrate", "verify"])(
    "%s fails where the URL's options keep every statement out",
    async (command) => {
      const url = new URL(await migratedDatabase());
      url.searchParams.set("options", "endpoint=ep-cool");
      const { status, stdout, stderr } = await run({}, command, "--url", url.href);
      expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
      expect(stderr).toMatch(/^journey-db: configuration: .*SQLSTATE 42.*DIRECT_URL to bypass it\.\n$/);
    },
  );

  test("has an unusable URL: the error names where it was given, and not the URL", async () => {
    const refusedOf = async ([env, ...args]: [Record<string, string>, ...string[]]) => ({
      name: Object.keys(env)[0] ?? "--url",
      ...(await run(env, "verify", ...args)),
    });
    const refused = await Promise.all([
      refusedOf([{}, "--url", "mysql://some_user@some_host"]),
      refusedOf([{ DIRECT_URL: "some_user" }]),
      refusedOf([{ DATABASE_URL: "some_user" }]),
    ]);
    for (const { name, status, stderr } of refused) {
      expect(status).toBe(1);
      expect(stderr).toMatch(new RegExp(`^journey-db: configuration: ${name}: expected .*\n$`));
      expect(stderr).not.toContain("some_");
    }
  });
});

test("a reader that closes stderr early is no crash", async () => {
  const { child, ended } = runScript("src/cli.ts", ["frobnicate"], await temporaryFolder());
  child.stderr?.destroy();
  expect(await ended).toBe(2);
});

describe("usage", () => {
  test("that is wrong exits with 2 and touches no database", async () => {
    const lines = [
      ...["", "frobnicate", "migrate --dry", "verify --dry-run", "migrate --url", "migrate now"],
      "migrate --embedded --url x",
    ];
    const endedOf = async (line: string) => ({
      line,
      ...(await run({ DATABASE_URL: SECRET_URL }, ...line.split(" ").filter(Boolean))),
    });
    for (const ended of await Promise.all(lines.map(endedOf))) {
      const stderr = expect.stringMatching(/^(error: |Usage: )/);
      expect(ended).toMatchObject({ status: 2, stdout: "", stderr });
    }
  });

  test("--help names the commands, and each command's its options; --version is the package's", async () => {
    const [help, ofMigrate, ofPackage] = await Promise.all([
      run({}, "--help"),
      run({}, "migrate", "--help"),
      run({}, "--version"),
    ]);
    expect(help).toMatchObject({ status: 0, stderr: "" });
    for (const word of ["migrate", "verify", "DIRECT_URL", "Exit codes"]) expect(help.stdout).toContain(word);
    expect(ofMigrate.stdout).toMatch(/--dry-run.*--url <url>/s);
    const { version } = JSON.parse(readFileSync(join(repository, "package.json"), "utf8"));
    expect(ofPackage).toEqual({ status: 0, stdout: `${version}\n`, stderr: "" });
  });

  test("its file runs under node by itself", () => {
    const file = join(repository, "bin/journey-db.js");
    expect(readFileSync(file, "utf8").split("\n")[0]).toBe("#!/usr/bin/env node");
    // Windows has no such bit.
    if (process.platform !== "win32") expect(statSync(file).mode & 0o111).toBe(0o111);
  });
});
