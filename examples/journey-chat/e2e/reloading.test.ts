import { describe, expect, test } from "vitest";
import { outline, words } from "./support/rows.js";
import { inBrowser } from "./support/scene.js";

describe("a reload", () => {
  test(
    "shows the same conversation, with what the answers have beside text",
    inBrowser(async ({ open, rows }) => {
      const tab = await open();
      await tab.ask("Think about a weekend in Lyon");
      await tab.ask("What is the weather in Lyon?");
      const shown = await tab.shown();
      // Not of the last one: in jsonb, the keys of a tool's input and output have an order of their own.
      const texts = async () => (await tab.messages.allInnerTexts()).slice(0, 3).map(words);
      const before = await texts();
      await expect.poll(async () => outline((await rows())[0]?.messages ?? [])).toEqual(shown);
      await tab.page.reload();
      expect(await tab.shown()).toEqual(shown);
      await expect.poll(texts).toEqual(before);
      const details = tab.messages.nth(1).getByRole("group").filter({ hasText: "Reasoning" });
      await details.getByText("Reasoning").click();
      await details.getByText("Two days, so one theme a day.").waitFor();
      await tab.answer.getByText("Tool: weather").waitFor();
      await tab.answer.getByText("It is 21 degrees in Lyon").waitFor();
    }),
  );

  test(
    "goes on where the conversation was",
    inBrowser(async ({ open, rows }) => {
      const tab = await open();
      await tab.ask("First");
      await tab.page.reload();
      await tab.ask("Second");
      const shown = await tab.shown();
      await expect.poll(async () => (await rows()).map(({ messages }) => outline(messages))).toEqual([shown]);
      expect(shown.map(({ by }) => by)).toEqual(["You", "Assistant", "You", "Assistant"]);
    }),
  );
});
