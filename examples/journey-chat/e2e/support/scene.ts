import type { BrowserContext, BrowserContextOptions } from "playwright-core";
import type postgres from "postgres";
import { beforeEach } from "vitest";
import { migratedDatabase, rawClient } from "../../../../test/support/database.js";
import { type Application, startApplication } from "./application.js";
import { browser } from "./browser.js";
import { migrate } from "./next.js";
import { type Row, rowsOf } from "./rows.js";
import { Tab } from "./tab.js";

export interface Visitor extends BrowserContextOptions {
  /** @default "ada" */
  as?: "ada" | "grace";
}

export interface Scene {
  sql: postgres.Sql;
  /** All sessions, the newest created first. */
  rows(): Promise<Row[]>;
  /** Of the file. */
  application: Application;
  /** A new tab at the path. Tabs of equal visitors share a browser profile. */
  open(path?: string, visitor?: Visitor): Promise<Tab>;
}

export const DESKTOP = { viewport: { width: 1280, height: 800 } };
export const PHONE = { viewport: { width: 375, height: 812 }, hasTouch: true, isMobile: true };

const database = await migratedDatabase();
await migrate(database);
const sql = rawClient(database);
const application: Application = await startApplication(database);

// The application knows two users, so tests cannot have some of their own: the file's database is emptied instead.
beforeEach(async () => {
  await sql`delete from journey_sessions`;
});

/** Not the server's time zone: what it renders must not depend on the place. */
const ELSEWHERE = { timezoneId: "Asia/Tokyo", locale: "en-GB" };

async function newContext({ as = "ada", ...options }: Visitor): Promise<BrowserContext> {
  const context = await browser.newContext({ ...DESKTOP, ...ELSEWHERE, ...options });
  context.setDefaultTimeout(15_000);
  await context.addCookies([{ name: "demo-user", value: as, url: application.url }]);
  return context;
}

/**
 * A test with fresh browser profiles. It fails for uncaught errors, console errors and HTTP errors that it did not
 * expect too; what a failure says has the state of the pages and of the server with it. The body of a `test.each`
 * gets the values of its case.
 */
export function inBrowser<Case extends unknown[]>(
  body: (scene: Scene, ...values: Case) => Promise<void>,
): (...values: Case) => Promise<void> {
  return async (...values) => {
    const contexts = new Map<string, Promise<BrowserContext>>();
    const tabs: Tab[] = [];
    const saidBefore = application.stderr().length;
    const open = async (path = "/journey", visitor: Visitor = {}) => {
      const key = JSON.stringify(visitor);
      const context = contexts.get(key) ?? newContext(visitor);
      contexts.set(key, context);
      const tab = new Tab(await (await context).newPage(), application.url);
      tabs.push(tab);
      await tab.go(path);
      return tab;
    };
    try {
      await body({ sql, rows: () => rowsOf(sql), application, open }, ...values);
      const problems = tabs.flatMap((tab) => tab.problems());
      if (problems.length > 0) throw new Error(`in the browser:\n${problems.join("\n")}`);
    } catch (error) {
      if (error instanceof Error) {
        const pages = await Promise.all(tabs.map((tab) => tab.describe()));
        const server = application.stderr().slice(saidBefore);
        error.message += ["", ...pages, `The server's stderr: ${server || "empty"}`].join("\n\n");
      }
      throw error;
    } finally {
      for (const context of contexts.values()) await (await context).close();
    }
  };
}
