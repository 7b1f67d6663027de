/**
 * Runs the tests on every PostgreSQL, Node.js and Drizzle that the package supports, one after
 * another, and prints one table. Ends with 0 only where every test passed, but for failures that are
 * listed with their reason. `npm run test:matrix -- postgres14 node22` runs these rows alone.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import postgres from "postgres";
import { startServer } from "../support/child-server.js";
import { ROWS, type Row } from "./rows.js";
import { type Outcome, runSuite } from "./suite.js";

const root = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
const modules = join(root, "test/matrix/node_modules");
const names = process.argv.slice(2);
const rows = ROWS.filter(({ name }) => names.length === 0 || names.includes(name));

if (process.platform !== "linux" || process.arch !== "x64") {
  console.error("The matrix runs on Linux x64 alone: elsewhere not all of its versions are to be had.");
  process.exit(1);
}
if (rows.length < names.length || rows.length === 0) {
  console.error(`The rows are ${ROWS.map(({ name }) => name).join(", ")}.`);
  process.exit(1);
}
if (!existsSync(modules))
  execFileSync("npm", ["ci", "--prefix", join(root, "test/matrix")], { stdio: "inherit" });
// Where it is not installed, this would find the Drizzle of the root.
const { copyOnDrizzle1, REPLACED } = await import("./drizzle.js");

const temporary = mkdtempSync(join(tmpdir(), "journey-db-matrix-"));
process.on("exit", () => rmSync(temporary, { recursive: true, force: true }));
process.once("SIGINT", () => process.exit(130));

/** What a server that the tests start says of itself. */
async function serverVersion(): Promise<string> {
  const server = await startServer();
  const sql = postgres(server.url, { max: 1 });
  try {
    const [row] = await sql`show server_version`;
    return row?.server_version;
  } finally {
    await sql.end();
    await server.stop();
  }
}

async function run(row: Row) {
  const start = performance.now();
  const node = row.node ? join(modules, row.node) : process.execPath;
  const folder = row.drizzle1 ? join(temporary, "copy") : root;
  const versions: string[] = [];
  let outcome: Outcome = { passed: 0, expected: 0, problems: [] };
  // The tests and this inherit it.
  if (row.postgres) process.env.TEST_POSTGRES_BIN = join(modules, row.postgres);
  else delete process.env.TEST_POSTGRES_BIN;
  try {
    if (row.drizzle1) copyOnDrizzle1(root, folder);
    const drizzle = readFileSync(join(folder, "node_modules/drizzle-orm/package.json"), "utf8");
    versions.push(await serverVersion());
    versions.push(execFileSync(node, ["--version"], { encoding: "utf8" }).trim().slice(1));
    versions.push(JSON.parse(drizzle).version);
    outcome = await runSuite({ ...row, folder, node, report: join(temporary, `${row.name}.json`) });
  } catch (error) {
    outcome.problems.push(String(error));
  }
  const { passed, expected, problems } = outcome;
  const [postgres = "", nodejs = "", drizzle = ""] = versions;
  const minutes = `${((performance.now() - start) / 60_000).toFixed(1)} min`;
  console.error(`${row.name}: ${problems.length === 0 ? "passed" : "FAILED"} (${minutes})`);
  const cells = [row.name, postgres, nodejs, drizzle, row.tests, passed, problems.length, expected, minutes];
  return { ...row, cells: cells.map(String), problems };
}

function print(table: string[][]): void {
  const widths = table[0]?.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  for (const row of table)
    console.log(`| ${row.map((cell, column) => cell.padEnd(widths?.[column] ?? 0)).join(" | ")} |`);
}

const results: Awaited<ReturnType<typeof run>>[] = [];
for (const row of rows) results.push(await run(row));

const head = "row,PostgreSQL,Node.js,drizzle-orm,tests,passed,failed,cannot pass,time".split(",");
print([head, head.map(() => "---"), ...results.map(({ cells }) => cells)]);
for (const { name, problems, known, drizzle1 } of results) {
  const lines = [
    ...problems.map((problem) => `failed: ${problem}`),
    ...known.map(({ file, error, why }) => `cannot pass: ${file}, with ${error}: ${why}`),
    ...(drizzle1 ? REPLACED.map(([file, why]) => `works otherwise: ${file}: ${why}`) : []),
  ];
  if (lines.length > 0) console.log(`\n${name}\n${lines.map((line) => `- ${line}`).join("\n")}`);
}
process.exitCode = results.some(({ problems }) => problems.length > 0) ? 1 : 0;
