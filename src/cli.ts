#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { type Connection, connect } from "./connect.js";
import { configuredUrl, parseDatabaseUrl } from "./database-url.js";
import { fromDriver, type JourneyDbErrorCode } from "./errors.js";
import { migrate, pendingMigrations, toScript } from "./migrate.js";
import { type Finding, verify } from "./verify.js";

/** Exit codes: a failure or a finding that is an error, and wrong usage. */
const FAILED = 1;
const WRONG_USAGE = 2;

/** The server stops a statement that takes longer: verify may have to read every row. */
const STATEMENT_TIMEOUT_MS = 10 * 60_000;

/** What to do about a failure of the server, which does not say it. */
const REMEDY: Partial<Record<JourneyDbErrorCode, string>> = {
  unavailable: "Check that the server runs and that the URL names its host and port.",
  timeout: "Try again while the database is less busy.",
  configuration:
    "Check --url, DIRECT_URL and DATABASE_URL, and the role that the URL names. Where DATABASE_URL goes through a pooler, set DIRECT_URL past it.",
};

const URL_HELP = `
The database is the one of --url, else of DIRECT_URL, else of DATABASE_URL, else the embedded one
in .journey-db. Where DATABASE_URL goes through a transaction pooler, set DIRECT_URL past it.
Exit codes: 0 fine, 1 failed or found an error, 2 wrong usage.`;

const say = (line: string) => process.stdout.write(`${line}\n`);

function fail(thrown: unknown, remedies: typeof REMEDY = {}): void {
  const { code, message } = fromDriver(thrown, false);
  const sentence = message.endsWith(".") ? message : `${message}.`;
  const remedy = remedies[code] ? ` ${remedies[code]}` : "";
  process.stderr.write(`journey-db: ${code}: ${sentence}${remedy}\n`);
  process.exitCode = FAILED;
}

function open(url: string | undefined): Promise<Connection> {
  const direct = configuredUrl(process.env, "DIRECT_URL");
  // Here, since connect cannot tell where a URL comes from.
  if (url !== undefined) parseDatabaseUrl(url, "--url");
  else if (direct !== undefined) parseDatabaseUrl(direct, "DIRECT_URL");
  return connect({ url: url ?? direct, max: 1, statementTimeoutMs: STATEMENT_TIMEOUT_MS });
}

async function withDatabase(url: string | undefined, use: (db: Connection["db"]) => Promise<void>) {
  const { db, close } = await open(url);
  try {
    await use(db);
  } catch (thrown) {
    fail(thrown, REMEDY);
  } finally {
    await close();
  }
}

interface UrlOption {
  url?: string;
}

const runMigrate = ({ url, dryRun }: UrlOption & { dryRun?: true }) =>
  withDatabase(url, async (db) => {
    if (dryRun) return void process.stdout.write(toScript(await pendingMigrations(db)));
    const { applied } = await migrate(db);
    for (const name of applied) say(`applied ${name}`);
    if (applied.length === 0) say("Nothing to apply.");
  });

const lineOf = ({ severity, code, message, remedy }: Finding) =>
  `${severity.padEnd(7)}  ${code}: ${message} Remedy: ${remedy}.`;

const runVerify = ({ url }: UrlOption) =>
  withDatabase(url, async (db) => {
    const findings = await verify(db);
    for (const finding of findings) say(lineOf(finding));
    const errors = findings.filter(({ severity }) => severity === "error").length;
    if (errors > 0) process.exitCode = FAILED;
    else if (!findings.some(({ code }) => code === "unchecked"))
      say(`ok       ${findings.length === 0 ? CHECKED : "Nothing but warnings."}`);
  });

const CHECKED =
  "Migrations, columns, constraints, indexes, trigger, storage, rights, row level security and stored rows are as " +
  "they should be; a row was inserted, updated and deleted.";

function program(): Command {
  const { version }: { version: string } = JSON.parse(
    readFileSync(new URL("../package.json", import.meta.url), "utf8"),
  );
  const journeyDb = new Command("journey-db")
    .description("Migrates and verifies the database of @aigos/journey-db.")
    .version(version)
    .exitOverride()
    .addHelpText("after", URL_HELP);
  const urlOption = ["--url <url>", "postgres:// or postgresql:// URL of the database"] as const;
  journeyDb
    .command("migrate")
    .description("Apply the pending migrations in one transaction.")
    .option("--dry-run", "print the pending SQL, to be run as one transaction, and change nothing")
    .option(...urlOption)
    .addHelpText("after", URL_HELP)
    .action(runMigrate);
  journeyDb
    .command("verify")
    .description("Check the database and say how to put right what is not as it should be.")
    .option(...urlOption)
    .addHelpText("after", URL_HELP)
    .action(runVerify);
  return journeyDb;
}

// `journey-db migrate --dry-run | head` closes the pipe early, which is no failure.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
}

try {
  await program().parseAsync();
} catch (thrown) {
  if (thrown instanceof CommanderError) process.exitCode = thrown.exitCode === 0 ? 0 : WRONG_USAGE;
  else fail(thrown);
}
