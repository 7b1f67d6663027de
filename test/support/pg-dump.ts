import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { repository, run } from "./packages.js";

const FOLDER = join(repository, "test/support/pg-dump");
const PACKAGE = "@electric-sql/pglite-tools";

/** Installs what stands for `pg_dump` in the documents' commands, where that has not been done. */
export async function installPgDump(): Promise<void> {
  const manifestIn = async (...path: string[]) =>
    JSON.parse(await readFile(join(FOLDER, ...path, "package.json"), "utf8"));
  const { dependencies } = await manifestIn();
  const installed = await manifestIn("node_modules", PACKAGE).catch(() => ({}));
  if (installed.version === dependencies[PACKAGE]) return;
  await run(FOLDER, "npm", "ci", "--prefer-offline", "--no-audit", "--no-fund");
}
