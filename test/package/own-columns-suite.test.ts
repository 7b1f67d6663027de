import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { runIn } from "../support/cli.js";
import { copyWithOwnColumns, PLACES } from "../support/own-columns-copy.js";
import { newFolder } from "../support/packages.js";

describe.each(PLACES)("with columns in src/schema.ts, %s", (place) => {
  const folder = newFolder();

  test("the tests of the queries and sessions pass on a server", async () => {
    await copyWithOwnColumns(folder, place);
    const generated = await runIn(folder, {}, "npm", "run", "generate", "--", "--name=own_columns");
    expect(generated).toMatchObject({ status: 0 });
    const vitest = join(folder, "node_modules/vitest/vitest.mjs");
    const suite = ["run", "--project", "unit", "--project", "database", "test/queries", "test/sessions"];
    const env = { ONE_DRIVER: "1", TEST_DATABASE_URL: "", TEST_BUILD: "" };
    const ended = await runIn(folder, env, process.execPath, vitest, ...suite);
    expect(ended.stdout + ended.stderr).not.toMatch(/FAIL|Error:/);
    expect(ended.status).toBe(0);
  }, 600_000);
});
