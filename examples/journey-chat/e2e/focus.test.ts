import { describe, expect, test } from "vitest";
import { conversation, said, store } from "./support/rows.js";
import { inBrowser, PHONE, type Scene } from "./support/scene.js";
import { hasFocus, isInView, type Tab } from "./support/tab.js";
import { withThree } from "./support/three-sessions.js";

/**
 * Whether what has the focus, or what is around it, is drawn otherwise than without. The page must be opened
 * with `reducedMotion`: while a transition runs, both are drawn as it began.
 */
const showsFocus = (tab: Tab) =>
  tab.page.evaluate(() => {
    const at = document.activeElement as HTMLElement;
    const drawn = () => {
      const styles: string[] = [];
      let element: Element | null = at;
      for (let up = 0; element && up < 4; up++) {
        const { outlineStyle, outlineWidth, boxShadow, borderColor } = getComputedStyle(element);
        styles.push(outlineStyle, outlineWidth, boxShadow, borderColor);
        element = element.parentElement;
      }
      return styles.join();
    };
    const focused = drawn();
    at.blur();
    const plain = drawn();
    at.focus();
    return focused !== plain;
  });

/** Opens a session by search, at a message in the middle. */
async function openHit({ open, sql }: Scene, path = "/journey") {
  const messages = conversation(60).with(40, said("user", "m41", "Where do the herons nest?"));
  const id = await store(sql, { title: "Birds", messages });
  const tab = await open(path);
  await tab.sessions.getByRole("searchbox").fill("herons");
  const hit = tab.sessions.getByRole("list", { name: "Search results" }).getByRole("link");
  await hit.click();
  await tab.page.waitForURL(`**/${id}**`);
  const found = tab.log.locator('[data-message-id="m41"]');
  await expect.poll(() => isInView(found)).toBe(true);
  return { tab, hit, found };
}

describe("a page that opens", () => {
  test(
    "has the focus in the message, so that typing goes into it: a new chat, a stored one, after a reload",
    inBrowser(async ({ open, sql }) => {
      const id = await store(sql);
      for (const path of ["/journey", `/journey/${id}`]) {
        const tab = await open(path);
        await hasFocus(tab.composer);
        await tab.page.keyboard.type("Hello");
        expect(await tab.composer.inputValue()).toBe("Hello");
        await tab.page.reload();
        await hasFocus(tab.composer);
      }
    }),
  );

  test.each<[string, (tab: Tab, title: string) => Promise<void>]>([
    ["a click", (tab, title) => tab.item(title).click()],
    ["Enter", (tab, title) => tab.item(title).press("Enter")],
  ])(
    "has it there when another chat is chosen by %s, and by Back",
    inBrowser(async (scene, _, choose) => {
      const { tab, ids } = await withThree(scene);
      for (const [n, title] of [
        [0, "One"],
        [2, "Three"],
      ] as const) {
        await choose(tab, title);
        await tab.page.waitForURL(`**/${ids[n]}`);
        await hasFocus(tab.composer);
      }
      await choose(tab, "New chat");
      await tab.page.waitForURL("**/journey");
      await hasFocus(tab.composer);
      await tab.page.goBack();
      await tab.page.waitForURL(`**/${ids[2]}`);
      await hasFocus(tab.composer);
    }),
  );

  test(
    "has it there when the chat that is open is chosen again, and in a narrow window",
    inBrowser(async (scene) => {
      const { tab, ids } = await withThree(scene);
      await tab.item("New chat").click();
      await hasFocus(tab.composer);
      await tab.item("Two").click();
      await tab.page.waitForURL(`**/${ids[1]}`);
      await tab.item("Two").click();
      await hasFocus(tab.composer);
      await tab.page.setViewportSize({ width: 600, height: 800 });
      await tab.button("Open sessions").click();
      await tab.item("Three").click();
      await tab.page.waitForURL(`**/${ids[2]}`);
      await hasFocus(tab.composer);
    }),
  );

  test(
    "leaves it where the user has begun to write meanwhile",
    inBrowser(async (scene) => {
      const { tab, ids } = await withThree(scene);
      let answer = () => {};
      const isLeft = new Promise<void>((resolve) => {
        answer = resolve;
      });
      await tab.page.route(`**/journey/${ids[1]}?*`, (route) => isLeft.then(() => route.continue()));
      await tab.item("Two").click();
      const search = tab.sessions.getByRole("searchbox");
      await search.pressSequentially("Qu");
      answer();
      await tab.page.waitForURL(`**/${ids[1]}`);
      await tab.has(2);
      await search.pressSequentially("estion");
      await hasFocus(search);
      expect(await search.inputValue()).toBe("Question");
    }),
  );

  test(
    "at a message that was searched leaves it on the hit; opened anew, it has it in the message, and stays there",
    inBrowser(async (scene) => {
      const { tab, hit, found } = await openHit(scene);
      await hasFocus(hit);
      await tab.page.reload();
      await hasFocus(tab.composer);
      await expect.poll(() => isInView(found)).toBe(true);
    }),
  );

  test(
    "on a phone leaves it, since a keyboard would come up",
    inBrowser(async ({ open, sql }) => {
      const id = await store(sql, { title: "One" });
      const tab = await open("/journey", PHONE);
      const focused = () => tab.page.evaluate(() => (window as unknown as { focused: string[] }).focused);
      await tab.page.addInitScript(() => {
        const focused: string[] = [];
        Object.assign(window, { focused });
        document.addEventListener("focusin", ({ target }) =>
          focused.push((target as Element).getAttribute("aria-label") ?? ""),
        );
      });
      await tab.page.reload();
      await tab.button("Open sessions").tap();
      await tab.item("One").tap();
      await tab.page.waitForURL(`**/${id}`);
      await tab.has(2);
      // The link, and a button of the drawer, show that it is heard of.
      expect(await focused()).toContain("Close sessions");
      expect(await focused()).not.toContain("Message");
    }),
  );
});

describe("the focus", () => {
  test.each(["light", "dark"] as const)(
    "is visible on everything that Tab reaches, %s",
    inBrowser(async ({ open, sql }, colorScheme) => {
      const id = await store(sql, { messages: conversation(4), title: "One" });
      const tab = await open(`/journey/${id}`, { colorScheme, reducedMotion: "reduce" });
      await tab.has(4);
      await tab.item("One").waitFor();
      const reached: string[] = [];
      // From the top: a page opens with the focus in the message, which is the last to be reached.
      await tab.page.evaluate(() => {
        document.body.tabIndex = -1;
        document.body.focus();
        document.body.removeAttribute("tabindex");
      });
      for (let steps = 0; steps < 40; steps++) {
        await tab.page.keyboard.press("Tab");
        const name = await tab.page.evaluate(() => {
          const { activeElement: at } = document;
          return at === document.body
            ? ""
            : `${at?.tagName} ${at?.getAttribute("aria-label") ?? at?.textContent}`;
        });
        if (!name) break;
        reached.push(name);
        expect(await showsFocus(tab), name).toBe(true);
      }
      expect(reached.join("\n")).toMatch(/New chat[\s\S]*One[\s\S]*Message/);
    }),
  );

  test.each<[string, (tab: Tab) => Promise<void>]>([
    ["a click", (tab) => tab.button("Stop").click()],
    ["Enter", (tab) => tab.button("Stop").press("Enter")],
    ["Escape in the message", (tab) => tab.composer.press("Escape")],
  ])(
    "goes from Stop to the message, after %s",
    inBrowser(async ({ open }, _, stop) => {
      const tab = await open();
      await tab.send("Write a long story");
      await tab.streams();
      await stop(tab);
      await tab.answer.getByText("Stopped", { exact: true }).waitFor();
      await hasFocus(tab.composer);
      expect(await tab.composer.inputValue()).toBe("");
    }),
  );

  test(
    "goes to the message from what ends with a reply, or begins one",
    inBrowser(async ({ open }) => {
      const tab = await open();
      await tab.button("What is the weather in Lyon?").press("Enter");
      await tab.has(2);
      await hasFocus(tab.composer);
      await tab.composer.fill("Be slow");
      await tab.button("Send").press("Enter");
      await tab.button("Stop").waitFor();
      await hasFocus(tab.composer);
      await tab.button("Stop").focus();
      await tab.has(4);
      await hasFocus(tab.composer);
    }),
  );

  test.each(["Retry", "Dismiss"] as const)(
    "goes from %s to the message",
    inBrowser(async ({ open }, name) => {
      const tab = await open();
      await tab.send(`Please fail early once, then ${name}`);
      await tab.alert.getByRole("button", { name }).press("Enter");
      await expect.poll(() => tab.alert.count()).toBe(0);
      await hasFocus(tab.composer);
      await tab.idle();
      await hasFocus(tab.composer);
    }),
  );

  test(
    "goes to the message from what asks again, and from a tool that was allowed",
    inBrowser(async ({ open }) => {
      const tab = await open();
      await tab.ask("Book a table");
      await tab.answer.getByRole("button", { name: "Regenerate" }).press("Enter");
      await hasFocus(tab.composer);
      await tab.button("Allow").press("Enter");
      await hasFocus(tab.composer);
      await tab.answer.getByText("The table is booked").waitFor();
      await tab.idle();
      await tab.messages.first().getByRole("button", { name: "Edit" }).press("Enter");
      await tab.log.getByRole("textbox", { name: "Edit message" }).press("Enter");
      await hasFocus(tab.composer);
      await tab.button("Allow").waitFor();
    }),
  );

  test(
    "does not go to the message on a phone, where that would bring up a keyboard",
    inBrowser(async ({ open }) => {
      const tab = await open("/journey", PHONE);
      await tab.button("What is the weather in Lyon?").click();
      await tab.has(2);
      await tab.answer.getByRole("button", { name: "Regenerate" }).click();
      await tab.has(2);
      expect(await tab.composer.evaluate((field) => field === document.activeElement)).toBe(false);
    }),
  );

  test(
    "goes to the message from the notice of a conversation that went on elsewhere",
    inBrowser(async ({ open, sql }) => {
      const tab = await open(`/journey/${await store(sql)}`);
      tab.mayMeet(409);
      await tab.deafen();
      const messages = JSON.stringify([...conversation(2), said("user", "m3", "From elsewhere")]);
      await sql`update journey_sessions set messages = ${messages}::text::jsonb`;
      await tab.send("Unsent");
      await tab.alert.getByText("went on in another tab").waitFor();
      await tab.button("Dismiss").press("Enter");
      await hasFocus(tab.composer);
      await expect.poll(() => tab.composer.inputValue()).toBe("Unsent");
    }),
  );

  test.each([
    ["changed", "Renamed", "Enter"],
    ["left as it is", "Two", "Enter"],
    ["cancelled", "Renamed", "Escape"],
  ] as const)(
    "goes back to the row's options after its title was %s",
    inBrowser(async (scene, _, title, key) => {
      const { tab } = await withThree(scene);
      await tab.choose("Two", "Rename");
      const field = tab.sessions.getByRole("textbox", { name: "Title" });
      await field.fill(title);
      await field.press(key);
      const name = `Options for ${key === "Escape" ? "Two" : title}`;
      await hasFocus(tab.sessions.getByRole("button", { name }));
    }),
  );

  test(
    "stays where it was moved to while a title was being saved",
    inBrowser(async (scene) => {
      const { tab } = await withThree(scene);
      let save = () => {};
      const isLeft = new Promise<void>((resolve) => {
        save = resolve;
      });
      await tab.page.route("**/api/journey/*", (route) => isLeft.then(() => route.continue()));
      await tab.choose("Two", "Rename");
      const field = tab.sessions.getByRole("textbox", { name: "Title" });
      await field.fill("Renamed");
      await field.press("Enter");
      await tab.composer.focus();
      save();
      await tab.item("Renamed").waitFor();
      await hasFocus(tab.composer);
    }),
  );

  test(
    "goes from a session that is deleted to the next, of the last to the one before, of the only one to New chat",
    inBrowser(async (scene) => {
      const { tab, ids } = await withThree(scene);
      const remove = async (title: string) => {
        await tab.choose(title, "Delete");
        await tab.page.getByRole("dialog").getByRole("button", { name: "Delete" }).press("Enter");
        await tab.item(title).waitFor({ state: "detached" });
      };
      await remove("Two");
      await hasFocus(tab.item("Three"));
      await remove("Three");
      await hasFocus(tab.item("One"));
      await tab.item("One").click();
      await tab.page.waitForURL(`**/${ids[0]}`);
      await remove("One");
      await tab.page.waitForURL("**/journey");
      await hasFocus(tab.sessions.getByRole("link", { name: "New chat" }));
    }),
  );
});
