import { expect, it } from "vitest";
import { CANARY, leaks } from "../support/canary.js";
import { emptyDatabase } from "../support/database.js";
import { runScript, temporaryFolder } from "../support/program.js";

const run = async (driver: string, ...more: string[]) => {
  const script = "test/support/canary-program.ts";
  const program = runScript(script, [driver, await emptyDatabase(), ...more], temporaryFolder());
  const status = await program.ended;
  return { status, printed: program.stdout() + program.stderr(), last: program.stdout() };
};

it.each(["postgres.js", "node-postgres", "PGlite", "connect"])(
  "%s with Drizzle's logger left as it is: nothing that a user wrote is printed",
  async (driver) => {
    const { status, printed, last } = await run(driver);
    expect(leaks(printed)).toEqual([]);
    expect(last).toMatch(/^done, \d{3,} failed\n$/m);
    expect(status).toBe(0);
  },
);

it("with Drizzle's logger on it is printed, so that this test would see it", async () => {
  expect(leaks((await run("postgres.js", "logger")).printed)).toContain(CANARY);
});
