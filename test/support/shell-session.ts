import { spawn } from "node:child_process";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { temporaryFolder } from "./cli.js";
import { atEnd, rawClient } from "./database.js";
import type { Block } from "./markdown.js";
import { nodeArguments } from "./tools.js";

/** The commands of the documents, and the program of this repository that stands for each. */
const COMMANDS = {
  "journey-db": "src/cli.ts",
  pg_dump: "test/support/pg-dump/index.js",
  psql: "test/support/psql.ts",
};

/** What a block of a document did. */
export interface Done {
  /** What an `sh` block printed, both streams as a terminal shows them, without the lines that name the database. */
  printed: string;
  /** The commands of an `sh` block that ended with another status than 0. */
  failed: string[];
  /** The columns of the last statement of an `sql` block, and its rows. */
  columns: string[];
  rows: Record<string, unknown>[];
}

/**
 * One shell in a folder of an application that has this package installed, for the `sh` blocks of a
 * section; its `sql` blocks run between them on the database given. A `dotenv` block is its `.env.local`.
 *
 * @param fill puts the test's values in place of the document's placeholders
 */
export async function shellSession(database: string, fill: (text: string) => string) {
  const folder = await temporaryFolder();
  const bin = join(folder, "node_modules/.bin");
  await mkdir(bin, { recursive: true });
  for (const [name, file] of Object.entries(COMMANDS)) {
    const start = [process.execPath, ...nodeArguments(file)].map((one) => `"${one}"`).join(" ");
    await writeFile(join(bin, name), `#!/bin/sh\nexec ${start} "$@"\n`);
    await chmod(join(bin, name), 0o755);
  }
  const { DATABASE_URL, DIRECT_URL, NODE_ENV, ...env } = process.env;
  const shell = spawn("bash", ["--norc", "--noprofile"], {
    cwd: folder,
    env: { ...env, PATH: `${bin}:${env.PATH}` },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const closed = new Promise((resolve) => shell.once("close", resolve));
  atEnd(() => {
    shell.stdin.end();
    return closed;
  });
  const lines = createInterface({ input: shell.stdout });
  shell.stdin.write(`trap 'printf "%s\\n" "$BASH_COMMAND" >>failed' ERR\n`);
  const sql = rawClient(database, { max: 1 });

  async function runShell(value: string): Promise<Done> {
    await writeFile(join(folder, "failed"), "");
    const ended = new Promise((resolve) => lines.once("line", resolve));
    shell.stdin.write(`{\n${fill(value)}\n} >printed 2>&1 </dev/null\necho ended\n`);
    await Promise.race([ended, closed.then(() => Promise.reject(new Error(`the shell ended in\n${value}`)))]);
    const [printed, failed] = await Promise.all(
      ["printed", "failed"].map((name) => readFile(join(folder, name), "utf8")),
    );
    const commands = failed?.split("\n").filter(Boolean) ?? [];
    const shown = printed?.replace(/^journey-db: (postgres at|embedded database in) .*\n/gm, "");
    return { printed: shown ?? "", failed: commands, columns: [], rows: [] };
  }

  async function runSql(value: string): Promise<Done> {
    const results = await sql.unsafe(fill(value));
    // An array of results where there are several statements.
    const last = Array.isArray(results[0]) ? results.at(-1) : results;
    const columns = (last?.columns ?? []).map(({ name }: { name: string }) => name);
    return { printed: "", failed: [], columns, rows: [...(last ?? [])] };
  }

  async function runDotenv(value: string): Promise<Done> {
    await writeFile(join(folder, ".env.local"), fill(value));
    return { printed: "", failed: [], columns: [], rows: [] };
  }

  const runners: Record<string, (value: string) => Promise<Done>> = { sql: runSql, dotenv: runDotenv };
  return { run: ({ lang, value }: Block) => (runners[lang] ?? runShell)(value) };
}

/**
 * Whether a program printed what a document shows: `…` stands for anything within a line, and alone
 * on a line for any number of lines.
 */
export function shownAs(output: string): RegExp {
  const quote = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const lines = output
    .split("\n")
    .map((line) => (line.trim() === "…" ? "(?:.*\\n)*?" : `${line.split("…").map(quote).join(".*")}\\n`));
  return new RegExp(`^${lines.join("")}$`);
}
