import { migrate, pendingMigrations, shippedMigrations, toScript } from "../migrate.js";
import { type Finding, verify } from "../verify.js";
import { EMBEDDED, FAILED, hasEmbedded, say, sayEmbedded, type UrlOption, withDatabase } from "./run.js";

export async function runMigrate({ url, dryRun }: UrlOption & { dryRun?: true }) {
  // A dry run makes no database.
  if (dryRun && url === EMBEDDED && !hasEmbedded()) {
    sayEmbedded();
    return void process.stdout.write(toScript(shippedMigrations()));
  }
  await withDatabase(
    url,
    async (db) => {
      if (dryRun) return void process.stdout.write(toScript(await pendingMigrations(db)));
      const { applied } = await migrate(db);
      for (const name of applied) say(`applied ${name}`);
      if (applied.length === 0) say("Nothing to apply.");
    },
    { creates: true },
  );
}

const lineOf = ({ severity, code, message, remedy }: Finding) =>
  `${severity.padEnd(7)}  ${code}: ${message} Remedy: ${remedy}.`;

export const runVerify = ({ url }: UrlOption) =>
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
