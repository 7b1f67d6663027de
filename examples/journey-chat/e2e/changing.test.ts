import { describe, expect, test } from "vitest";
import { conversation, outline, type Row, store, textOf } from "./support/rows.js";
import { inBrowser } from "./support/scene.js";

const messagesOf = async (rows: () => Promise<Row[]>) => (await rows())[0]?.messages ?? [];
const spoken = async (rows: () => Promise<Row[]>) => (await messagesOf(rows)).map(textOf);
const ANSWER = expect.stringMatching(/^Happy to help/);

describe("another answer", () => {
  test(
    "takes the last one's place, in the row too",
    inBrowser(async ({ open, sql, rows }) => {
      const tab = await open(`/journey/${await store(sql, { messages: conversation(4) })}`);
      await tab.act(tab.messages.last(), "Regenerate");
      await tab.answer.getByText("Happy to help").waitFor();
      await tab.has(4);
      await expect.poll(() => spoken(rows)).toEqual([...conversation(3).map(textOf), ANSWER]);
      expect(outline(await messagesOf(rows))).toEqual(await tab.shown());
    }),
  );

  test(
    "to an earlier question drops what followed that, after a reload too",
    inBrowser(async ({ open, sql, rows }) => {
      const tab = await open(`/journey/${await store(sql, { messages: conversation(6) })}`);
      await tab.act(tab.messages.nth(1), "Regenerate");
      await tab.answer.getByText("Happy to help").waitFor();
      await tab.has(2);
      await expect.poll(() => spoken(rows)).toEqual(["Question 1", ANSWER]);
      await tab.page.reload();
      await tab.has(2);
      expect(await tab.shown()).toEqual(outline(await messagesOf(rows)));
    }),
  );
});

describe("an edited message", () => {
  test(
    "takes the old one's place and is answered anew; what followed is dropped",
    inBrowser(async ({ open, sql, rows }) => {
      const tab = await open(`/journey/${await store(sql, { messages: conversation(6) })}`);
      await tab.act(tab.messages.nth(2), "Edit");
      const box = tab.log.getByRole("textbox", { name: "Edit message" });
      expect(await box.inputValue()).toBe("Question 3");
      await box.fill("Question 3, otherwise");
      await tab.button("Save and send").click();
      await tab.answer.getByText("Happy to help").waitFor();
      await tab.has(4);
      await expect
        .poll(() => spoken(rows))
        .toEqual([...conversation(2).map(textOf), "Question 3, otherwise", ANSWER]);
      expect(outline(await messagesOf(rows))).toEqual(await tab.shown());
      await tab.page.reload();
      await tab.has(4);
      expect(await tab.shown()).toEqual(outline(await messagesOf(rows)));
    }),
  );

  test(
    "is saved by Enter, and left as it was by Escape and by Cancel",
    inBrowser(async ({ open, sql, rows }) => {
      const tab = await open(`/journey/${await store(sql)}`);
      const before = await rows();
      const box = tab.log.getByRole("textbox", { name: "Edit message" });
      for (const leave of [() => box.press("Escape"), () => tab.button("Cancel").click()]) {
        await tab.act(tab.messages.first(), "Edit");
        await box.fill("Not sent");
        await leave();
        await box.waitFor({ state: "detached" });
        await tab.messages.first().getByText("Question 1").waitFor();
      }
      expect(await rows()).toEqual(before);
      await tab.act(tab.messages.first(), "Edit");
      await box.fill("Sent");
      await box.press("Enter");
      await tab.answer.getByText("Happy to help").waitFor();
      await expect.poll(() => spoken(rows)).toEqual(["Sent", ANSWER]);
    }),
  );
});

describe("a fork", () => {
  test.each([
    ["an answer", 1],
    ["a message of the user's", 2],
  ])(
    "from %s is a session of its own that ends there; the first one is left as it was",
    inBrowser(async ({ open, sql, rows }, _, place) => {
      const first = await store(sql, { title: "The first", messages: conversation(4), phase: "review" });
      const before = await rows();
      const tab = await open(`/journey/${first}`);
      await tab.act(tab.messages.nth(place), "Fork from here");
      await tab.page.waitForURL((url) => !url.pathname.endsWith(first));
      const fork = await tab.sessionId();
      await tab.has(place + 1);
      await expect.poll(() => tab.items.count()).toBe(2);
      const [copy, ...others] = await rows();
      expect(copy).toMatchObject({ id: fork, user_id: "user_ada", messages: conversation(place + 1) });
      expect(others).toEqual(before);
      await tab.ask("Only here");
      await expect.poll(async () => (await messagesOf(rows)).length).toBe(place + 3);
      expect((await rows()).slice(1)).toEqual(before);
      await tab.page.goBack();
      await tab.has(4);
    }),
  );
});
