import { readFileSync } from "node:fs";
import { Command, CommanderError, Option } from "commander";
import { runErase } from "./cli/erase.js";
import { runExport } from "./cli/export.js";
import { runImport } from "./cli/import.js";
import { runConvert, runConvertMessages, runPrune, runRepairJson } from "./cli/jobs.js";
import { runDistribute, runMigrate, runSql, runVerify } from "./cli/maintenance.js";
import { EMBEDDED, fail, unwritable, WRONG_USAGE } from "./cli/run.js";
import { runStats } from "./cli/stats.js";
import { JourneyDbError } from "./model/errors.js";
import { OPTIONAL } from "./validation/options.js";

const URL_HELP = `
The database is given by --url, or else by DIRECT_URL, or else by DATABASE_URL; --embedded selects the
embedded database in .journey-db. The variables may be set in the .env files of this folder, as in Next.js.
If DATABASE_URL goes through a transaction pooler, set DIRECT_URL to bypass it.
Exit codes: 0 success; 1 the command failed, verify found an error (with --strict, also a warning), or
something was left undone and reported; 2 wrong usage, nothing was done.`;

function program(): Command {
  const { version }: { version: string } = JSON.parse(
    readFileSync(new URL("../package.json", import.meta.url), "utf8"),
  );
  const journeyDb = new Command("journey-db")
    .description("Migrates, verifies and maintains the database of @aigos/journey-db.")
    .version(version)
    .exitOverride()
    .addHelpText("after", URL_HELP);
  const command = (nameAndArgs: string, description: string) =>
    journeyDb.command(nameAndArgs).description(description);
  const ofTable = (one: Command) =>
    one
      .option("--table <name>", "the table of sessions, if it is not journey_sessions")
      .option("--schema <name>", "the schema of --table");
  const withOption = (what: string) => new Option("--with <names...>", what).choices(OPTIONAL);
  command("migrate", "Apply the pending migrations in one transaction.")
    .addOption(
      withOption("also these optional migrations: of the table of messages, of the tables of replies"),
    )
    .option("--dry-run", "print the pending SQL, to be run in one transaction, and change nothing")
    .action(runMigrate);
  command("verify", "Check the database and print how to fix what is wrong.")
    .option("--json", 'print {"findings":[{"severity","code","message","remedy","sql"}]} and nothing else')
    .option("--strict", "exit with 1 for warnings too")
    .option(
      "--phases <list>",
      "the application's phases, separated by commas: count sessions in other phases",
    )
    .option(
      "--table <name>",
      "a table of the application's own; its other columns and indexes are not checked",
    )
    .option("--schema <name>", "the schema of that table")
    .action(runVerify);
  ofTable(command("export <userId>", "Write all sessions of a user, one line of JSON each (NDJSON)."))
    .option("--out <file>", "write to this file instead of stdout; it appears when it is complete")
    .action(runExport);
  ofTable(
    command(
      "import <userId> [file]",
      "Store the sessions of an export, from a file or stdin, as sessions of the user.",
    ),
  )
    .option("--strict", "store nothing if any line is refused")
    .option(
      "--to <layout>",
      "where the messages go: rows or column, by default column, which every program reads",
    )
    .action(runImport);
  ofTable(command("erase <userId>", "Delete all sessions of a user."))
    .option("--yes", "required to delete; without it, only their number is printed")
    .action(runErase);
  ofTable(command("prune", "Delete inactive sessions of all users, and replies that a crash has left."))
    .requiredOption("--inactive-for <time>", 'how long, with a unit: "90d", "12h"')
    .option("--dry-run", "change nothing, and print how many there are")
    .action(runPrune);
  ofTable(
    command("convert", "Move all users' messages into rows of their own, or back into the sessions' column."),
  )
    .requiredOption("--to <layout>", "rows or column")
    .option("--dry-run", "change nothing, and print how many there are")
    .option("--batch-size <n>", "sessions that one statement looks for: 1–10000, by default 100")
    .action(runConvert);
  ofTable(
    command(
      "convert-messages",
      "Convert all users' messages of AI SDK 4 to the format of AI SDK 5 and later.",
    ),
  )
    .option("--dry-run", "change nothing, and print how many there are")
    .option("--batch-size <n>", "sessions per statement: 1–10000, by default 100")
    .action(runConvertMessages);
  ofTable(
    command(
      "repair-json",
      "Repair all users' sessions whose messages or metadata were encoded as JSON twice.",
    ),
  )
    .option("--dry-run", "change nothing, and print how many there are")
    .option("--batch-size <n>", "sessions per statement: 1–10000, by default 100")
    .action(runRepairJson);
  ofTable(command("stats", "Print how many sessions there are and how much space they take."))
    .option("--json", "print the result of stats() as JSON and nothing else, times in ISO 8601")
    .action(runStats);
  ofTable(command("distribute", "Distribute the sessions over the servers of a Citus cluster, by owner."))
    .option("--undo", "move them back to one server")
    .option("--dry-run", "change nothing, and print the statements")
    .action(runDistribute);
  const commands = [...journeyDb.commands];
  command(
    "sql",
    "Print the trigger, privileges and storage settings of a table, for drizzle-kit generate --custom.",
  )
    .option("--table <name>", "a table of the application's own, by default journey_sessions")
    .option("--schema <name>", "the schema of that table")
    .addOption(withOption("also what its table of messages or its tables of replies need"))
    .addHelpText("after", "\nNo database is needed. Each statement can be run again.")
    .action(runSql);
  for (const one of commands)
    one
      .option("--url <url>", "postgres:// or postgresql:// URL of the database")
      .addOption(new Option("--embedded", "the embedded database in .journey-db").conflicts("url"))
      .hook("preAction", (command) => {
        if (command.opts().embedded) command.setOptionValue("url", EMBEDDED);
      })
      .addHelpText("after", URL_HELP);
  return journeyDb;
}

for (const name of ["stdout", "stderr"] as const) {
  process[name].on("error", (error: NodeJS.ErrnoException) => {
    // `journey-db migrate --dry-run | head` closes the pipe early, which is not a failure.
    if (error.code !== "EPIPE") fail(unwritable(name, error));
  });
}

try {
  await program().parseAsync();
} catch (thrown) {
  if (thrown instanceof CommanderError) process.exitCode = thrown.exitCode === 0 ? 0 : WRONG_USAGE;
  else {
    fail(thrown);
    // Of an argument: errors of the database or a file are caught where they are used.
    if (thrown instanceof JourneyDbError && thrown.code === "invalid_input") process.exitCode = WRONG_USAGE;
  }
}
