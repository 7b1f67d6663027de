import { describe, expect, test } from "vitest";
import { store } from "./support/rows.js";
import { inBrowser } from "./support/scene.js";
import { listed, listsFrom, scrollToEnd, storeMany } from "./support/session-list.js";
import { hasFocus, read, type Tab } from "./support/tab.js";
import { withThree } from "./support/three-sessions.js";

const optionsOf = (tab: Tab, title: string) =>
  tab.sessions.getByRole("button", { name: `Options for ${title}` });

describe("a pinned session", () => {
  test(
    "is the first of the list and says so, also after a reload, until it is unpinned",
    inBrowser(async (scene) => {
      const { tab } = await withThree(scene);
      const before = await scene.rows();
      await tab.choose("Three", "Pin");
      await expect.poll(() => listed(tab)).toEqual(["Three", "One", "Two"]);
      await hasFocus(optionsOf(tab, "Three"));
      expect(await read(tab.item("Three"))).toContain("Pinned");
      const [one, two, three] = before;
      expect(await scene.rows()).toEqual([
        one,
        two,
        { ...three, pinned: true, updated_at: expect.any(String) },
      ]);
      await tab.page.reload();
      await expect.poll(() => listed(tab)).toEqual(["Three", "One", "Two"]);
      await tab.choose("Three", "Unpin");
      await expect.poll(() => listed(tab)).toEqual(["One", "Two", "Three"]);
      await hasFocus(optionsOf(tab, "Three"));
      expect(await read(tab.item("Three"))).not.toContain("Pinned");
    }),
  );

  test(
    "is before the others on every page of the list, and each session is there once",
    inBrowser(async (scene) => {
      const titles = await storeMany(scene, 70, (n) => ({ pinned: n % 2 === 0 }));
      const inOrder = [...titles.filter((_, n) => n % 2 === 0), ...titles.filter((_, n) => n % 2 === 1)];
      const tab = await scene.open();
      // 35 are pinned: a page of 20, then the rest with the first page of the others.
      for (const length of [20, 55, 70]) {
        await listsFrom(tab, inOrder, length);
        await scrollToEnd(tab);
      }
    }),
  );

  test(
    "is not pinned in a fork of it",
    inBrowser(async ({ open, sql, rows }) => {
      const id = await store(sql, { title: "Original", pinned: true });
      const tab = await open(`/journey/${id}`);
      await tab.act(tab.messages.last(), "Fork from here");
      await expect.poll(tab.path).not.toBe(`/journey/${id}`);
      await expect.poll(async () => (await rows()).map(({ pinned }) => pinned)).toEqual([false, true]);
    }),
  );
});

describe("an archived session", () => {
  test(
    "is in the Archived view and not in the list, also after a reload, until it is unarchived",
    inBrowser(async (scene) => {
      const { tab } = await withThree(scene);
      const before = await scene.rows();
      await tab.choose("Two", "Archive");
      await expect.poll(() => listed(tab)).toEqual(["One", "Three"]);
      await hasFocus(tab.item("Three"));
      const [one, two, three] = before;
      expect(await scene.rows()).toEqual([
        one,
        { ...two, archived: true, updated_at: expect.any(String) },
        three,
      ]);
      await tab.page.reload();
      await expect.poll(() => listed(tab)).toEqual(["One", "Three"]);
      await tab.toggleArchived();
      await expect.poll(() => listed(tab)).toEqual(["Two"]);
      await tab.choose("Two", "Unarchive");
      await tab.sessions.getByText("Nothing archived").waitFor();
      await tab.toggleArchived();
      await expect.poll(() => listed(tab)).toEqual(["One", "Two", "Three"]);
    }),
  );

  test(
    "that was open makes room for a new chat; it can be opened and continued",
    inBrowser(async ({ open, sql, rows }) => {
      const id = await store(sql, { title: "Finished" });
      const tab = await open(`/journey/${id}`);
      await tab.choose("Finished", "Archive");
      await tab.page.waitForURL("**/journey");
      await expect.poll(() => read(tab.title)).toBe("New chat");
      await tab.toggleArchived();
      await tab.item("Finished").click();
      await expect.poll(() => read(tab.title)).toBe("Finished");
      await tab.ask("One more thing");
      await expect.poll(async () => (await rows())[0]?.messages.length).toBe(4);
      expect((await rows())[0]).toMatchObject({ id, archived: true });
    }),
  );

  test(
    "is on a page of the Archived view, the newest first, pinned or not",
    inBrowser(async (scene) => {
      const titles = await storeMany(scene, 45, (n) => ({ archived: true, pinned: n === 30 }));
      const tab = await scene.open();
      await tab.sessions.getByText("No sessions yet").waitFor();
      await tab.toggleArchived();
      for (const length of [20, 40, 45]) {
        await listsFrom(tab, titles, length);
        await scrollToEnd(tab);
      }
    }),
  );

  test(
    "is in the Archived view where it belongs, whatever that showed before",
    inBrowser(async (scene) => {
      const titles = await storeMany(scene, 45, (n) => ({ archived: n !== 30 }));
      const others = titles.filter((_, n) => n !== 30);
      const tab = await scene.open();
      await tab.toggleArchived();
      await expect.poll(() => listed(tab)).toEqual(others.slice(0, 20));
      await scrollToEnd(tab);
      await listsFrom(tab, others, 40);
      await tab.toggleArchived();
      await tab.choose("Session 31", "Archive");
      await tab.sessions.getByText("No sessions yet").waitFor();
      await tab.toggleArchived();
      await listsFrom(tab, titles, 40);
    }),
  );
});

describe("the filter by phase", () => {
  test(
    "shows the sessions in that phase, archived or not as the view says",
    inBrowser(async ({ open, sql }) => {
      for (const phase of ["setup", "review"] as const) {
        for (const archived of [false, true]) {
          await store(sql, { title: `${phase} ${archived ? "archived" : "listed"}`, phase, archived });
        }
      }
      const tab = await open();
      await expect.poll(() => listed(tab)).toEqual(["review listed", "setup listed"]);
      await tab.filter("Review");
      await expect.poll(() => listed(tab)).toEqual(["review listed"]);
      await tab.toggleArchived();
      await expect.poll(() => listed(tab)).toEqual(["review archived"]);
      await tab.filter("Setup");
      await expect.poll(() => listed(tab)).toEqual(["setup archived"]);
      await tab.filter("All phases");
      await expect.poll(() => listed(tab)).toEqual(["review archived", "setup archived"]);
    }),
  );

  test(
    "pages through the sessions in that phase, the pinned ones first",
    inBrowser(async (scene) => {
      const titles = await storeMany(scene, 50, (n) => ({
        phase: n % 2 === 0 ? "review" : "setup",
        pinned: n === 40,
      }));
      const inReview = titles.filter((_, n) => n % 2 === 0 && n !== 40);
      const tab = await scene.open();
      await tab.filter("Review");
      for (const length of [21, 25]) {
        await listsFrom(tab, [titles[40], ...inReview], length);
        await scrollToEnd(tab);
      }
    }),
  );

  test(
    "follows a change of phase; the open session keeps its title and phase",
    inBrowser(async ({ open, sql }) => {
      const tab = await open(`/journey/${await store(sql, { title: "Moved" })}`);
      await tab.filter("Setup");
      await expect.poll(() => listed(tab)).toEqual(["Moved"]);
      await tab.choosePhase("Review");
      await tab.sessions.getByText("None in this phase").waitFor();
      await expect.poll(() => tab.phase("Review").isChecked()).toBe(true);
      expect(await read(tab.title)).toBe("Moved");
    }),
  );

  test(
    "leaves a chat that begins in another view its title and phase",
    inBrowser(async ({ open }) => {
      const tab = await open();
      await tab.filter("Review");
      await tab.sessions.getByText("None in this phase").waitFor();
      await tab.ask("Hello");
      await expect.poll(() => read(tab.title)).toBe("Hello");
      await tab.choosePhase("Review");
      await expect.poll(() => listed(tab)).toEqual(["Hello"]);
      await expect.poll(() => tab.phase("Review").isChecked()).toBe(true);
    }),
  );
});

describe("a change of the list that fails", () => {
  test(
    "is said, and changes nothing; the next one that succeeds takes the notice away",
    inBrowser(async (scene) => {
      const { tab } = await withThree(scene);
      tab.mayMeet(503);
      const before = await scene.rows();
      let refused = false;
      await tab.page.route("**/api/journey/*", (route, request) => {
        if (refused || request.method() !== "PATCH") return route.continue();
        refused = true;
        return route.fulfill({ status: 503, json: {} });
      });
      await tab.choose("Two", "Pin");
      await tab.alert.getByText("“Two” could not be changed. Try again.").waitFor();
      expect(await listed(tab)).toEqual(["One", "Two", "Three"]);
      expect(await scene.rows()).toEqual(before);
      await tab.choose("Two", "Pin");
      await expect.poll(() => listed(tab)).toEqual(["Two", "One", "Three"]);
      expect(await tab.alert.count()).toBe(0);
    }),
  );
});

describe("two tabs", () => {
  test(
    "that pin and rename the same session both have their way",
    inBrowser(async (scene) => {
      const { tab } = await withThree(scene);
      const other = await scene.open();
      await tab.choose("Three", "Pin");
      await expect.poll(() => listed(tab)).toEqual(["Three", "One", "Two"]);
      await other.choose("Three", "Rename");
      const field = other.sessions.getByRole("textbox", { name: "Title" });
      await field.fill("Third");
      await field.press("Enter");
      await expect.poll(() => listed(other)).toEqual(["Third", "One", "Two"]);
      expect((await scene.rows())[2]).toMatchObject({ pinned: true, metadata: { title: "Third" } });
    }),
  );

  test(
    "of which one archives the session that the other writes in: what is written is stored",
    inBrowser(async (scene) => {
      const tab = await scene.open();
      await tab.ask("Hello");
      const other = await scene.open();
      await other.choose("Hello", "Archive");
      await expect.poll(() => listed(other)).toEqual([]);
      await tab.ask("And more");
      await expect.poll(async () => (await scene.rows())[0]?.messages.length).toBe(4);
      expect((await scene.rows())[0]).toMatchObject({ archived: true });
      await expect.poll(() => listed(tab)).toEqual([]);
      expect(await read(tab.title)).toBe("Hello");
      await tab.choosePhase("Review");
      await expect.poll(() => tab.phase("Review").isChecked()).toBe(true);
      await expect.poll(async () => (await scene.rows())[0]?.phase).toBe("review");
    }),
  );

  test.each(["Pin", "Archive"] as const)(
    "of which one has deleted the session: %s says so in the other, and it leaves the list",
    inBrowser(async (scene, option) => {
      const { tab } = await withThree(scene);
      tab.mayMeet(404);
      const other = await scene.open();
      await other.choose("Two", "Delete");
      await other.page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
      await expect.poll(() => listed(other)).toEqual(["One", "Three"]);
      await tab.choose("Two", option);
      await tab.alert.getByText("“Two” was deleted in another tab.").waitFor();
      await expect.poll(() => listed(tab)).toEqual(["One", "Three"]);
    }),
  );
});
