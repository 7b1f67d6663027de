import { cpSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { pendingMigrations } from "../../../src/migrate.js";
import { emptyDatabase, openPostgresJs, rawClient } from "../../../test/support/database.js";
import { makeOldTable } from "../../../test/support/old-table.js";
import { freePort } from "../../../test/support/postgres-binaries.js";
import { runScript } from "../../../test/support/program.js";
import { browser } from "./support/browser.js";
import { BUILT, COPIES, copyExample } from "./support/next.js";
import { said, textOf } from "./support/rows.js";
import { read, Tab } from "./support/tab.js";

const NOWHERE = "postgres://nobody@127.0.0.1:1/none";
const REPOSITORY = fileURLToPath(new URL("../../..", import.meta.url));

/** A database with the table as it was before this package, and a session in it. */
async function oldDatabase() {
  const url = await emptyDatabase();
  const sql = rawClient(url);
  await makeOldTable(sql);
  const messages = [said("user", "m1", "Is this old?"), said("assistant", "m2", "As old as the table.")];
  await sql`
    insert into journey_sessions (user_id, phase, messages, metadata)
    values ('user_ada', 'review', ${sql.json(messages as never)}, ${sql.json({ title: "From before" })})`;
  return { url, messages };
}

const folder = join(COPIES, `journey-chat-${process.pid}`);
copyExample(folder);
// Next.js builds anew what has changed since.
cpSync(join(BUILT, ".next/cache"), join(folder, ".next/cache"), { recursive: true });
afterAll(() => rmSync(folder, { recursive: true }));

test.each([
  ["the environment", "SIGTERM", 143],
  [".env.local", "SIGINT", 130],
] as const)(
  "npm run demo:app migrates and serves the database of %s, prints an address that can be opened, and ends with %s",
  { timeout: 240_000 },
  async (place, signal, status) => {
    const { url, messages } = await oldDatabase();
    const db = openPostgresJs(url);
    expect(await pendingMigrations(db)).not.toEqual([]);
    const inFile = place === ".env.local";
    // What the other place has must not count.
    const other = `DIRECT_URL=${NOWHERE}\nDATABASE_URL=${NOWHERE}\n`;
    writeFileSync(join(folder, ".env.local"), inFile ? `DATABASE_URL=${url}\n` : other);
    const port = await freePort();
    const origin = `http://localhost:${port}`;
    const app = runScript("scripts/demo-app.ts", [], REPOSITORY, {
      EXAMPLE_FOLDER: folder,
      PORT: String(port),
      // Not vitest's own, which is "test".
      NODE_ENV: "",
      ...(inFile ? { DIRECT_URL: NOWHERE } : { DATABASE_URL: url }),
    });
    await app.printed(`Open ${origin}/journey`);
    expect(await fetch(`${origin}/journey`)).toMatchObject({ status: 200 });
    expect(await pendingMigrations(db)).toEqual([]);

    const tab = new Tab(await browser.newPage(), origin);
    await tab.go("/journey");
    await tab.item("From before").click();
    await tab.has(2);
    expect(await read(tab.title)).toBe("From before");
    expect(await read(tab.answer)).toBe(messages.map(textOf)[1]);
    expect(tab.problems()).toEqual([]);
    await tab.page.close();

    app.child.kill(signal);
    expect(await app.ended).toBe(status);
    await expect(fetch(origin)).rejects.toMatchObject({ cause: { code: "ECONNREFUSED" } });
  },
);
