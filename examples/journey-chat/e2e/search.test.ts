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
});
