/**
 * Stands for `psql URL --single-transaction -v ON_ERROR_STOP=1 -f FILE`, which npm does not bring
 * along: sends what psql would send of the file. Refuses every other use.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import postgres from "postgres";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    "single-transaction": { type: "boolean" },
    variable: { type: "string", short: "v" },
    quiet: { type: "boolean", short: "q" },
    file: { type: "string", short: "f" },
  },
});
const [url] = positionals;
if (!url || !values.file || !values["single-transaction"] || values.variable !== "ON_ERROR_STOP=1")
  throw new Error("expected psql URL --single-transaction -v ON_ERROR_STOP=1 -f FILE");
const sql = postgres(url, { max: 1, onnotice: () => {} });
const text = readFileSync(values.file, "utf8");
try {
  await sql.begin((tx) => tx.unsafe(text));
} catch (error) {
  process.stderr.write(`psql:${values.file}: ERROR:  ${(error as Error).message}\n`);
  process.exitCode = 3;
} finally {
  await sql.end();
}
