import { describe, expect, test } from "vitest";
import { outline, type Row, said, store, textOf } from "./support/rows.js";
import { inBrowser, type Scene } from "./support/scene.js";
import { read, type Tab } from "./support/tab.js";

const NOTICE = "This conversation went on in another tab.";

/** One session in two tabs, which the first has continued: four messages, of which the second shows two. */
async function staleTab({ open, sql, rows }: Scene) {
  const id = await store(sql, { title: "Shared" });
  const stale = await open(`/journey/${id}`);
  await stale.deafen();
  stale.mayMeet(409);
  const first = await open(`/journey/${id}`);
  await stale.has(2);
  await first.ask("From the first tab");
  await expect.poll(async () => (await rows())[0]?.messages.length).toBe(4);
  return { first, stale, before: await rows() };
}

/** The notice is there, the tab shows what the row has, and the row is as it was. */
async function isRefreshed(tab: Tab, { rows }: Scene, before: unknown) {
  await tab.alert.getByText(NOTICE).waitFor();
  await tab.has(4);
  await tab.log.getByText("From the first tab").waitFor();
  expect(await tab.shown()).toEqual(outline((await rows())[0]?.messages ?? []));
  expect(await rows()).toEqual(before);
}

describe("a tab whose conversation went on in another one, and which did not learn it", () => {
  test(
    "is told so when it sends, shows what is new and gives the text back; sent again, it is the next message",
    inBrowser(async (scene) => {
      const { stale, before } = await staleTab(scene);
      await stale.send("From the second tab");
      await isRefreshed(stale, scene, before);
      expect(await stale.log.getByText("From the second tab").count()).toBe(0);
      await expect.poll(() => stale.composer.inputValue()).toBe("From the second tab");
      await stale.composer.press("Enter");
      await stale.has(6);
      await expect.poll(() => stale.alert.count()).toBe(0);
      await expect
        .poll(async () => outline((await scene.rows())[0]?.messages ?? []))
        .toEqual(await stale.shown());
      const [row] = await scene.rows();
      expect(row?.messages.filter(({ role }) => role === "user").map(textOf)).toEqual([
        "Question 1",
        "From the first tab",
        "From the second tab",
      ]);
    }),
  );

  test(
    "is told so when it edits, and the row keeps both messages",
    inBrowser(async (scene) => {
      const { stale, before } = await staleTab(scene);
      await stale.act(stale.messages.first(), "Edit");
      await stale.log.getByRole("textbox", { name: "Edit message" }).fill("Otherwise");
      await stale.button("Save and send").click();
      await isRefreshed(stale, scene, before);
      expect(await read(stale.messages.first())).toContain("Question 1");
    }),
  );

  test(
    "is told so when it asks for another answer",
    inBrowser(async (scene) => {
      const { stale, before } = await staleTab(scene);
      await stale.act(stale.messages.nth(1), "Regenerate");
      await isRefreshed(stale, scene, before);
      expect(await stale.composer.inputValue()).toBe("");
    }),
  );

  test(
    "loses nothing of a reply that streams in the other, and follows it when it can",
    inBrowser(async ({ open, sql, rows }) => {
      const id = await store(sql);
      const stale = await open(`/journey/${id}`);
      await stale.deafen();
      stale.mayMeet(409);
      const first = await open(`/journey/${id}`);
      await stale.has(2);
      await first.send("Write a long story slowly");
      await first.streams();
      await stale.send("From the second tab");
      await stale.alert.getByText(NOTICE).waitFor();
      await stale.log.getByText("Write a long story slowly").waitFor();
      expect(await stale.composer.inputValue()).toBe("From the second tab");
      await stale.page.unrouteAll();
      await stale.streams();
      await stale.button("Stop").click();
      for (const tab of [first, stale]) {
        await tab.has(4);
        await tab.answer.getByText("Stopped", { exact: true }).waitFor();
        await expect.poll(async () => outline((await rows())[0]?.messages ?? [])).toEqual(await tab.shown());
      }
    }),
  );
});

describe("a session that was deleted in another tab", () => {
  test(
    "is said to be deleted when a message is sent; the text is not lost and nothing is stored",
    inBrowser(async ({ open, sql, rows }) => {
      const id = await store(sql, { title: "Shared" });
      const [tab, other] = [await open(`/journey/${id}`), await open()];
      tab.mayMeet(404);
      await tab.has(2);
      await other.choose("Shared", "Delete");
      await other.page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
      await expect.poll(rows).toEqual([]);
      await tab.send("Are you there?");
      await tab.alert.getByText("This session was deleted.").waitFor();
      await expect.poll(() => tab.composer.inputValue()).toBe("Are you there?");
      expect(await rows()).toEqual([]);
    }),
  );

  test(
    "takes nothing more; what was written goes along to a new chat",
    inBrowser(async ({ open, sql, rows }) => {
      const id = await store(sql);
      const tab = await open(`/journey/${id}`);
      tab.mayMeet(404);
      await tab.has(2);
      await sql`delete from journey_sessions`;
      await tab.send("Are you there?");
      await tab.alert.getByText("This session was deleted.").waitFor();
      await expect.poll(() => tab.composer.inputValue()).toBe("Are you there?");
      await tab.composer.press("Enter");
      expect(await tab.button("Send").isDisabled()).toBe(true);
      await tab.alert.getByRole("link").click();
      await tab.page.waitForURL("**/journey");
      await expect.poll(() => tab.composer.inputValue()).toBe("Are you there?");
      await tab.composer.press("Enter");
      await tab.has(2);
      const [row, ...others] = await rows();
      expect(others).toEqual([]);
      expect(row?.id).not.toBe(id);
      expect(row?.messages[0] && textOf(row.messages[0])).toBe("Are you there?");
    }),
  );
});

describe("a message that did not arrive before another tab went on", () => {
  test(
    "comes back to where it can be sent, also when Retry is refused",
    inBrowser(async ({ open, sql, rows }) => {
      const id = await store(sql);
      const tab = await open(`/journey/${id}`);
      tab.mayMeet("no network", 409);
      await tab.has(2);
      await tab.page.context().setOffline(true);
      await tab.send("Are you there?");
      await tab.alert.getByRole("button", { name: "Retry" }).waitFor();
      const added = [said("user", "m3", "From elsewhere"), said("assistant", "m4", "An answer.")];
      await sql`update journey_sessions set messages = messages || ${JSON.stringify(added)}::text::jsonb`;
      await tab.page.context().setOffline(false);
      await tab.alert.getByRole("button", { name: "Retry" }).click();
      await tab.alert.getByText("This conversation went on in another tab.").waitFor();
      await tab.has(4);
      await expect.poll(() => tab.composer.inputValue()).toBe("Are you there?");
      expect((await rows())[0]?.messages.length).toBe(4);
    }),
  );
});

describe("a phase that was changed in another tab", () => {
  test(
    "is not changed back by the one that did not know",
    inBrowser(async ({ open, sql, rows }) => {
      const tab = await open(`/journey/${await store(sql, { phase: "review" })}`);
      tab.mayMeet(409);
      await tab.panel.waitFor();
      // While the request is on its way, so that the page cannot know.
      let before: Row[] = [];
      await tab.page.route("**/api/journey/*", async (route, request) => {
        if (request.method() === "PATCH") {
          await sql`update journey_sessions set phase = 'setup'`;
          before = await rows();
        }
        await route.continue();
      });
      const answer = tab.page.waitForResponse((one) => one.request().method() === "PATCH");
      await tab.choosePhase("Setup");
      expect((await answer).status()).toBe(409);
      await expect.poll(() => tab.phase("Setup").isChecked()).toBe(true);
      await tab.panel.waitFor({ state: "detached" });
      expect(await rows()).toEqual(before);
    }),
  );
});
