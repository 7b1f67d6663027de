import { type DistributionPlan, distribute } from "../maintenance/distribute.js";
import { migrate, pendingMigrations, shippedMigrations, toScript } from "../maintenance/migrate.js";
import { tableSql } from "../maintenance/table-sql.js";
import { type Finding, verifyTable } from "../maintenance/verify/verify.js";
import { journeyOptionsSchema } from "../validation/journey-options.js";
import type { OptionalMigrations } from "../validation/options.js";
import { parse } from "../validation/parse.js";
import {
  counted,
  EMBEDDED,
  FAILED,
  hasEmbedded,
  say,
  sayEmbedded,
  type TableOptions,
  tableOf,
  type UrlOption,
  withDatabase,
} from "./run.js";

/** `--with`, which commander checks. */
interface WithOption {
  with?: OptionalMigrations[];
}

export async function runMigrate({ url, dryRun, with: chosen }: UrlOption & WithOption & { dryRun?: true }) {
  // A dry run creates no database.
  if (dryRun && url === EMBEDDED && !hasEmbedded()) {
    sayEmbedded();
    return void process.stdout.write(
      toScript(["main" as const, ...(chosen ?? [])].flatMap(shippedMigrations)),
    );
  }
  await withDatabase(
    url,
    async (db) => {
      if (dryRun) return void process.stdout.write(toScript(await pendingMigrations(db, { with: chosen })));
      const { applied } = await migrate(db, { with: chosen });
      for (const name of applied) say(`applied ${name}`);
      if (applied.length === 0) say("Nothing to apply.");
    },
    { creates: true },
  );
}

/** SQL ends with a semicolon, up to which it can be copied. */
function lineOf({ severity, code, message, remedy, sql }: Finding): string {
  const rest = sql === undefined ? `${remedy}.` : remedy.slice(sql.length).replace(/^, (.+)$/, " $1.");
  return `${severity.padEnd(7)}  ${code}: ${message} Remedy: ${sql === undefined ? "" : `${sql};`}${rest}`;
}

/** The pieces of a file for `drizzle-kit generate --custom`, which runs each of them as one statement. */
export const runSql = ({ with: chosen, ...options }: Omit<TableOptions, "url"> & WithOption) =>
  say(tableSql(tableOf(options), { with: chosen }).join("\n--> statement-breakpoint\n"));

/** Prints what it is going to do before it begins. */
export const runDistribute = ({
  url,
  undo = false,
  dryRun = false,
  ...named
}: TableOptions & { undo?: boolean; dryRun?: boolean }) =>
  withDatabase(url, async (db) => {
    const onPlan = ({ servers: n, statements }: DistributionPlan) => {
      if (statements.length === 0) return say("Nothing to do.");
      say(
        undo
          ? "-- Moves the tables to this server, in one transaction; calls wait until it ends."
          : `-- Distributes the tables over ${counted(n, "server")} by user_id, in one transaction; calls wait until it ends.`,
      );
      for (const statement of statements) say(`${statement};`);
    };
    const { statements } = await distribute(db, { table: tableOf(named), undo, dryRun, onPlan });
    if (!dryRun && statements.length > 0) say("-- Done.");
  });

interface VerifyCommand extends TableOptions {
  json?: true;
  strict?: true;
  phases?: string;
}

export const runVerify = ({ url, json, strict, phases: list, ...named }: VerifyCommand) => {
  const table = tableOf(named);
  const names = list?.split(",").map((phase) => phase.trim());
  const phases = parse(journeyOptionsSchema.out.shape.phases, names, "--phases");
  return withDatabase(url, async (db) => {
    const packageOnly = named.table !== undefined;
    const { findings, inserted } = await verifyTable(db, table, { phases, packageOnly });
    const has = (wanted: Finding["severity"]) => findings.some(({ severity }) => severity === wanted);
    const failed = has("error");
    if (failed || (strict && has("warning"))) process.exitCode = FAILED;
    if (json) return say(JSON.stringify({ findings }));
    for (const finding of findings) say(lineOf(finding));
    if (failed || findings.some(({ code, severity }) => code === "unchecked" && severity !== "note")) return;
    const what = packageOnly
      ? "The package's columns, constraints and indexes"
      : "Migrations, columns, constraints, indexes";
    const written = inserted
      ? "a row was inserted, updated and deleted"
      : "no row could be inserted to try it";
    const checked = `${what}, trigger, storage, rights, row level security and stored rows are as they should be; ${written}.`;
    say(`ok       ${has("warning") ? "Nothing but warnings." : checked}`);
  });
};
