import { describe, expect, test } from "vitest";
import { outline, textOf, wordsOf } from "./support/rows.js";
import { inBrowser } from "./support/scene.js";
import { read } from "./support/tab.js";

describe("a page on which nothing was sent", () => {
  test(
    "makes no row: not by being opened, reloaded, typed into or left",
    inBrowser(async ({ open, rows }) => {
      const tab = await open();
      await tab.sessions.getByText("No sessions yet").waitFor();
      await tab.composer.fill("Not sent");
      await tab.page.reload();
      await tab.sessions.getByText("No sessions yet").waitFor();
      await tab.sessions.getByRole("link", { name: "New chat" }).click();
      await tab.composer.fill("  \n ");
      await tab.composer.press("Enter");
      expect(await tab.messages.count()).toBe(0);
      await tab.page.close();
      expect(await rows()).toEqual([]);
    }),
  );

  test(
    "leads from the site's root to a new chat",
    inBrowser(async ({ open }) => {
      const tab = await open("/");
      expect(tab.path()).toBe("/journey");
      expect(await read(tab.title)).toBe("New chat");
    }),
  );
});

describe("the first message", () => {
  test(
    "makes one row, of the message and its answer alone: the page's greeting is not in it",
    inBrowser(async ({ open, rows }) => {
      const tab = await open();
      await tab.ask("Which way to the station?");
      await expect.poll(async () => (await rows())[0]?.messages.length).toBe(2);
      const [row, ...others] = await rows();
      expect(others).toEqual([]);
      expect(row).toMatchObject({ user_id: "user_ada", phase: "setup" });
      expect(row?.messages.map(({ role }) => role)).toEqual(["user", "assistant"]);
      const [question, answer] = row?.messages ?? [];
      expect(question && textOf(question)).toBe("Which way to the station?");
      expect(await read(tab.answer)).toContain(answer ? wordsOf(answer) : "none");
      expect(await tab.shown()).toEqual(outline(row?.messages ?? []));
    }),
  );

  test(
    "puts the row's id into the address and its title into the sidebar, all without a reload",
    inBrowser(async ({ open, rows }) => {
      const tab = await open();
      await tab.page.evaluate(() => Object.assign(window, { sameDocument: true }));
      await tab.send("Write a long story");
      await tab.item("Write a long story").waitFor();
      await tab.streams();
      const id = await tab.sessionId();
      expect((await rows()).map((row) => row.id)).toEqual([id]);
      expect((await rows())[0]?.metadata.title).toBe("Write a long story");
      await expect.poll(() => tab.item("Write a long story").getAttribute("aria-current")).toBe("page");
      await expect.poll(() => read(tab.title)).toBe("Write a long story");
      expect(await tab.page.evaluate(() => "sameDocument" in window)).toBe(true);
    }),
  );

  test(
    "of a suggestion is sent as if it had been typed",
    inBrowser(async ({ open, rows }) => {
      const tab = await open();
      await tab.button("What is the weather in Lyon?").click();
      await tab.has(2);
      await tab.answer.getByText("Tool: weather").waitFor();
      expect((await rows())[0]?.metadata.title).toBe("What is the weather in Lyon?");
    }),
  );

  test(
    "is still one with Enter pressed twice, and Shift+Enter makes a line of it",
    inBrowser(async ({ open, rows }) => {
      const tab = await open();
      await tab.composer.pressSequentially("One");
      await tab.composer.press("Shift+Enter");
      await tab.composer.pressSequentially("Two");
      await tab.composer.press("Enter");
      await tab.composer.press("Enter");
      await tab.has(2);
      await expect.poll(async () => (await rows()).map(({ messages }) => messages.length)).toEqual([2]);
      const [question] = (await rows())[0]?.messages ?? [];
      expect(question && textOf(question)).toBe("One\nTwo");
      expect(await tab.composer.inputValue()).toBe("");
    }),
  );
});
