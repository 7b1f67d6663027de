import { readFileSync } from "node:fs";
import { Command, CommanderError, Option } from "commander";
import { runErase } from "./cli/erase.js";
import { runExport } from "./cli/export.js";
import { runImport } from "./cli/import.js";
import { runConvertMessages, runPrune, runRepairJson } from "./cli/jobs.js";
import { runMigrate, runVerify } from "./cli/maintenance.js";
import { EMBEDDED, fail, unwritable, WRONG_USAGE } from "./cli/run.js";
import { runStats } from "./cli/stats.js";
import { JourneyDbError } from "./model/errors.js";

const URL_HELP = `
The database is the one of --url, else of DIRECT_URL, else of DATABASE_URL, or with --embedded the
embedded one in .journey-db. The variables may stand in the .env files that Next.js reads, in this folder.
Where DATABASE_URL goes through a transaction pooler, set DIRECT_URL past it.
Exit codes: 0 done, and where something was to be checked no error was found; 1 failed, found an
error (verify --strict: or a warning), or left something undone that it names; 2 wrong usage, with
nothing done.`;

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
  command("migrate", "Apply the pending migrations in one transaction.")
    .option("--dry-run", "print the pending SQL, to be run as one transaction, and change nothing")
    .action(runMigrate);
  command("verify", "Check the database and say how to put right what is not as it should be.")
    .option("--json", 'print {"findings":[{"severity","code","message","remedy","sql"}]} and nothing else')
    .option("--strict", "exit with 1 on a warning, too")
    .option("--phases <list>", "the application's phases, with commas: count the sessions in any other")
    .action(runVerify);
  command("export <userId>", "Write all sessions of a user, a line of JSON each (NDJSON).")
    .option("--out <file>", "write to this file, which is whole or not there, instead of stdout")
    .action(runExport);
  command(
    "import <userId> [file]",
    "Store the sessions of an export, of stdin without a file, as the user's.",
  )
    .option("--strict", "store nothing if any line is refused")
    .action(runImport);
  command("erase <userId>", "Delete all sessions of a user.")
    .option("--yes", "without it, only their number is told")
    .action(runErase);
  command("prune", "Delete the sessions, of all users, that nobody has written to for a time.")
    .requiredOption("--inactive-for <time>", 'for how long, with its unit: "90d", "12h"')
    .option("--dry-run", "tell only how many there are")
    .action(runPrune);
  command(
    "convert-messages",
    "Convert the messages of AI SDK 4, of all users, to what the AI SDK reads since version 5.",
  )
    .option("--dry-run", "tell only how many there are")
    .option("--batch-size <n>", "how many sessions a statement looks at: 1–10000, else 100")
    .action(runConvertMessages);
  command(
    "repair-json",
    "Repair the sessions, of all users, whose messages or metadata were encoded as JSON twice.",
  )
    .option("--dry-run", "tell only how many there are")
    .option("--batch-size <n>", "how many sessions a statement looks at: 1–10000, else 100")
    .action(runRepairJson);
  command("stats", "Tell how many sessions there are, and how much room they take.")
    .option("--json", "print what stats() returns as JSON and nothing else, times in ISO 8601")
    .action(runStats);
  for (const one of journeyDb.commands)
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
    // `journey-db migrate --dry-run | head` closes the pipe early, which is no failure.
    if (error.code !== "EPIPE") fail(unwritable(name, error));
  });
}

try {
  await program().parseAsync();
} catch (thrown) {
  if (thrown instanceof CommanderError) process.exitCode = thrown.exitCode === 0 ? 0 : WRONG_USAGE;
  else {
    fail(thrown);
    // Of an argument: what is wrong with the database or a file shows while it is used.
    if (thrown instanceof JourneyDbError && thrown.code === "invalid_input") process.exitCode = WRONG_USAGE;
  }
}
