import { expect, test } from "vitest";
import { migratedDatabase } from "./support/database.js";
import { runScript, temporaryFolder } from "./support/program.js";

const url = await migratedDatabase();

test("the demo runs to its end when nobody reads what it prints", async () => {
  const { child, ended, stderr } = runScript("scripts/demo.ts", [], temporaryFolder(), { DATABASE_URL: url });
  child.stdout?.destroy();
  expect(await ended).toBe(0);
  expect(stderr()).toBe("");
});
