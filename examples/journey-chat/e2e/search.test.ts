import { describe, expect, test } from "vitest";
import { conversation, said, store } from "./support/rows.js";
import { inBrowser } from "./support/scene.js";
import { isInView, read, type Tab } from "./support/tab.js";

describe("search", () => {
  const search = (tab: Tab) => tab.sessions.getByRole("searchbox", { name: "Search sessions" });
  const results = (tab: Tab) => tab.sessions.getByRole("list", { name: "Search results" });

  test(
    "finds text in the conversations and marks it; a hit opens its session at the message",
    inBrowser(async ({ open, sql }) => {
      const messages = conversation(20).with(2, said("user", "m3", "Where do the herons nest?"));
      const id = await store(sql, { title: "Birds", messages });
      await store(sql, { title: "Trains" });
      const tab = await open();
      await search(tab).fill("HERONS");
      const hit = results(tab).getByRole("listitem");
      await expect.poll(() => hit.count()).toBe(1);
      expect(await read(hit)).toMatch(/Birds[\s\S]*Where do the herons nest\?/);
      expect(await read(hit.locator("mark"))).toBe("herons");
      await hit.getByRole("link").click();
      await tab.page.waitForURL(`**/journey/${id}**`);
      await expect.poll(() => isInView(tab.log.getByText("Where do the herons nest?"))).toBe(true);
    }),
  );

  test(
    "leads to a message that is not among the newest, and from one to another of the same session",
    inBrowser(async ({ open, sql }) => {
      const messages = conversation(200)
        .with(4, said("user", "m5", "Where do the herons nest?"))
        .with(100, said("user", "m101", "And the owls?"));
      const tab = await open(`/journey/${await store(sql, { title: "Birds", messages })}`);
      await tab.has(30);
      for (const [text, found] of [
        ["owls", "m101"],
        ["herons", "m5"],
        ["Question 199", "m199"],
      ] as const) {
        await search(tab).fill(text);
        await results(tab).locator("mark").getByText(text).click();
        const message = tab.log.locator(`[data-message-id="${found}"]`);
        await expect.poll(() => isInView(message)).toBe(true);
        expect(await tab.log.locator("[data-found]").getAttribute("data-message-id")).toBe(found);
      }
      expect((await tab.shown()).map(({ id }) => id)).toEqual(messages.map(({ id }) => id));
    }),
  );

  test(
    "says where nothing is found, takes signs as they are, and emptied shows the list again",
    inBrowser(async ({ open, sql }) => {
      await store(sql, { title: "Percent", messages: [said("user", "m1", "100% <b>sure</b>")] });
      await store(sql, { title: "Plain" });
      const tab = await open();
      await search(tab).fill("nothing like it");
      await tab.sessions.getByText("Nothing found").waitFor();
      await search(tab).fill("% <B>s");
      await expect
        .poll(() => results(tab).getByRole("listitem").locator("mark").allInnerTexts())
        .toEqual(["% <b>s"]);
      await search(tab).fill("");
      await tab.item("Plain").waitFor();
      await tab.item("Percent").waitFor();
    }),
  );

  test(
    "says when it fails, and finds the next text",
    inBrowser(async ({ open, sql }) => {
      await store(sql, { title: "Birds", messages: [said("user", "m1", "Where do the herons nest?")] });
      const tab = await open();
      tab.mayMeet(503);
      await tab.page.route("**/api/journey?q=heron", (route) =>
        route.fulfill({ status: 503, json: { code: "unavailable" } }),
      );
      await search(tab).fill("heron");
      await tab.sessions.getByRole("alert").getByText("The search failed.").waitFor();
      await search(tab).fill("herons");
      await results(tab).getByRole("link").waitFor();
      expect(await tab.sessions.getByRole("alert").count()).toBe(0);
    }),
  );

  test.each([
    ["another text", "herons"],
    ["no text", ""],
  ])(
    "for a text that was replaced by %s ends, in the browser and on the server, and is no error of the server's",
    inBrowser(async ({ open, sql, application }, _, next) => {
      await store(sql, { title: "Birds", messages: [said("user", "m1", "Where do the herons nest?")] });
      const tab = await open();
      await tab.item("Birds").waitFor();
      // The page may ask for its list meanwhile, which waits too.
      const waiting = () => sql<{ pid: number }[]>`
        select pid from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock' and query like '%regexp_match%'`;
      const saidBefore = application.stderr().length;
      await sql.begin(async (tx) => {
        await tx`lock table journey_sessions in access exclusive mode`;
        const ended = tab.page.waitForEvent("requestfailed", (request) => request.url().endsWith("?q=owls"));
        await search(tab).fill("owls");
        await expect.poll(async () => (await waiting()).length).toBe(1);
        const [outdated] = await waiting();
        await search(tab).fill(next);
        await ended;
        // A later request has passed through, so the server knows of the end of the first.
        tab.mayMeet(404);
        await tab.page.evaluate(() => fetch("/none"));
        await sql`select pg_cancel_backend(${outdated?.pid ?? 0})`;
      });
      await (next ? results(tab).getByRole("link") : tab.item("Birds")).waitFor();
      // What is an error of the server's stands in its log, after whatever came before. The page may ask for its list too.
      tab.mayMeet(500);
      await sql`alter table journey_sessions rename to journey_sessions_away`;
      try {
        await tab.page.evaluate(() => fetch("/api/journey"));
      } finally {
        await sql`alter table journey_sessions_away rename to journey_sessions`;
      }
      const logged = () => application.stderr().slice(saidBefore).trim();
      await expect.poll(logged).toMatch(/^(@aigos\/journey-db: migration: .*42P01.*(\n|$))+$/);
    }),
  );
});
