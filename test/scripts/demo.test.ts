import { expect, test } from "vitest";
import { migratedDatabase } from "../support/database.js";
import { embeddedIn } from "../support/embedded.js";
import { runScript, temporaryFolder } from "../support/program.js";

const url = await migratedDatabase();

test("the demo runs to its end when nobody reads what it prints", async () => {
  const { child, ended, stderr } = runScript("scripts/demo.ts", [], temporaryFolder(), { DATABASE_URL: url });
  child.stdout?.destroy();
  expect(await ended).toBe(0);
  expect(stderr()).toBe("");
});

test.each([
  ["its embedded database", {}],
  ["the server", { DATABASE_URL: url }],
])(
  "the demo names a command that verifies %s",
  { timeout: 60_000 },
  async (_, env: Record<string, string>) => {
    const folder = temporaryFolder();
    if (env.DATABASE_URL === undefined) await embeddedIn(folder, "empty");
    const demo = runScript("scripts/demo.ts", [], folder, env);
    expect(await demo.ended).toBe(0);
    const [, args = ""] = /npm run verify(?: -- (\S+))?/.exec(demo.stdout()) ?? expect.fail();
    const verify = runScript("src/cli.ts", ["verify", ...args.split(" ").filter(Boolean)], folder, env);
    expect(await verify.ended).toBe(0);
  },
);
