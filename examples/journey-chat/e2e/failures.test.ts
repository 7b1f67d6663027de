import { describe, expect, test } from "vitest";
import { outline, type Row, said, store, textOf } from "./support/rows.js";
import { inBrowser } from "./support/scene.js";
import { read } from "./support/tab.js";

/** Of each session, what was said. */
const texts = async (rows: () => Promise<Row[]>) =>
  (await rows()).map(({ messages }) => messages.map((message) => `${message.role}: ${textOf(message)}`));

const withReply = (question: string) => [
  [`user: ${question}`, expect.stringMatching(/^assistant: Happy to help/)],
];

describe("a reply that fails before its first word", () => {
  test(
    "leaves the user's message, and is asked for again without a second one",
    inBrowser(async ({ open, rows }) => {
      const tab = await open();
      await tab.send("Please fail early once");
      await tab.alert.getByRole("button", { name: "Retry" }).waitFor();
      await tab.has(1);
      expect(await texts(rows)).toEqual([["user: Please fail early once"]]);
      await tab.item("Please fail early once").waitFor();
      await tab.alert.getByRole("button", { name: "Retry" }).click();
      await tab.has(2);
      await expect.poll(() => tab.alert.count()).toBe(0);
      await expect.poll(() => texts(rows)).toEqual(withReply("Please fail early once"));
      expect(outline((await rows())[0]?.messages ?? [])).toEqual(await tab.shown());
    }),
  );

  test(
    "again and again leaves one message all the same, and so does a reload",
    inBrowser(async ({ open, rows }) => {
      const tab = await open();
      const answered = () => tab.page.waitForResponse((one) => one.request().method() === "POST");
      await tab.send("Please fail early");
      for (let tries = 0; tries < 3; tries++) {
        await tab.alert.waitFor();
        await Promise.all([answered(), tab.button("Retry").click()]);
      }
      await tab.alert.waitFor();
      expect(await texts(rows)).toEqual([["user: Please fail early"]]);
      await tab.page.reload();
      await tab.has(1);
      await Promise.all([answered(), tab.button("Retry").click()]);
      await tab.alert.waitFor();
      expect(await texts(rows)).toEqual([["user: Please fail early"]]);
    }),
  );

  test(
    "is answered after its message was edited",
    inBrowser(async ({ open, rows }) => {
      const tab = await open();
      await tab.send("Please fail early");
      await tab.alert.waitFor();
      await tab.act(tab.messages.first(), "Edit");
      await tab.log.getByRole("textbox", { name: "Edit message" }).fill("Please do");
      await tab.button("Save and send").click();
      await tab.has(2);
      await expect.poll(() => texts(rows)).toEqual(withReply("Please do"));
    }),
  );
});

describe("a reply that fails half-way", () => {
  test(
    "keeps what arrived, marked, also after a reload, and is asked for again without a duplicate",
    inBrowser(async ({ open, rows }) => {
      const tab = await open();
      await tab.send("Please fail once");
      await tab.answer.getByText("Interrupted", { exact: true }).waitFor();
      await tab.alert.getByRole("button", { name: "Retry" }).waitFor();
      await expect.poll(async () => (await rows())[0]?.messages.length).toBe(2);
      const partial = (await rows())[0]?.messages[1];
      expect(partial?.metadata).toMatchObject({ interrupted: "failed" });
      expect(await texts(rows)).toEqual(withReply("Please fail once"));
      expect(partial && textOf(partial)).not.toContain("look at what is in the row");
      await tab.page.reload();
      await tab.has(2);
      await tab.answer.getByText("Interrupted", { exact: true }).waitFor();
      await tab.button("Retry").click();
      await tab.answer.getByText("look at what is in the row afterwards").waitFor();
      await tab.has(2);
      await expect.poll(async () => (await rows())[0]?.messages[1]?.id).not.toBe(partial?.id);
      expect(await texts(rows)).toEqual(withReply("Please fail once"));
      expect((await rows())[0]?.messages[1]?.metadata?.interrupted).toBeUndefined();
      expect(await tab.answer.getByText("Interrupted", { exact: true }).count()).toBe(0);
    }),
  );

  test(
    "can be left as it is: the next message follows it",
    inBrowser(async ({ open, rows }) => {
      const tab = await open();
      await tab.send("Please fail");
      await tab.alert.getByRole("button", { name: "Dismiss" }).click();
      await expect.poll(() => tab.alert.count()).toBe(0);
      await tab.ask("Never mind");
      await expect.poll(async () => outline((await rows())[0]?.messages ?? [])).toEqual(await tab.shown());
      expect((await rows())[0]?.messages.length).toBe(4);
    }),
  );
});

describe("a request that does not reach the server", () => {
  test(
    "says so, stores nothing, and is sent once by Retry",
    inBrowser(async ({ open, rows }) => {
      const tab = await open();
      tab.mayMeet("no network");
      await tab.page.context().setOffline(true);
      await tab.send("Are you there?");
      await tab.alert.getByRole("button", { name: "Retry" }).waitFor();
      await tab.log.getByRole("article", { name: "You" }).getByText("Are you there?").waitFor();
      expect(await rows()).toEqual([]);
      expect(tab.path()).toBe("/journey");
      await tab.page.context().setOffline(false);
      await tab.alert.getByRole("button", { name: "Retry" }).click();
      await tab.has(2);
      await expect.poll(() => texts(rows)).toEqual(withReply("Are you there?"));
      expect(await tab.path()).toBe(`/journey/${(await rows())[0]?.id}`);
    }),
  );
});

describe("a server whose database fails", () => {
  test(
    "says so, to the operator too; the message is not lost, and is sent once by Retry",
    inBrowser(async ({ open, rows, sql, application }) => {
      const tab = await open();
      tab.mayMeet(500, 503);
      await tab.ask("Are you there?");
      await sql`alter table journey_sessions rename to journey_sessions_away`;
      try {
        await tab.send("And now?");
        await tab.alert.getByRole("button", { name: "Retry" }).waitFor();
        await expect.poll(application.stderr).toContain("@aigos/journey-db: migration: ");
      } finally {
        await sql`alter table journey_sessions_away rename to journey_sessions`;
      }
      await tab.log.getByRole("article", { name: "You" }).getByText("And now?").waitFor();
      await tab.alert.getByRole("button", { name: "Retry" }).click();
      await tab.has(4);
      await expect.poll(async () => (await rows())[0]?.messages.length).toBe(4);
      expect(outline((await rows())[0]?.messages ?? [])).toEqual(await tab.shown());
    }),
  );
});

describe("a message that is refused", () => {
  test(
    "for its length goes back to where it was written, and can be sent shorter",
    inBrowser(async ({ open, rows }) => {
      const tab = await open();
      tab.mayMeet(400, 404);
      const text = "word ".repeat(10_001).trim();
      await tab.send(text);
      await tab.alert.getByText("too long").waitFor();
      await expect.poll(() => tab.composer.inputValue()).toBe(text);
      expect(await tab.messages.count()).toBe(0);
      expect(await rows()).toEqual([]);
      await tab.ask("Shorter");
      expect(await tab.alert.count()).toBe(0);
      await expect.poll(() => texts(rows)).toEqual(withReply("Shorter"));
    }),
  );

  test(
    "since the chat is full can go to a new one",
    inBrowser(async ({ open, rows, sql }) => {
      const id = await store(sql);
      const tab = await open(`/journey/${id}`);
      tab.mayMeet(413);
      await tab.page.route(`**/api/journey/${id}`, (route, request) =>
        request.method() === "POST"
          ? route.fulfill({ status: 413, json: { code: "too_large", message: "full" } })
          : route.continue(),
      );
      await tab.send("One more");
      await tab.alert.getByText("This chat is full").waitFor();
      await tab.has(2);
      await tab.alert.getByRole("link", { name: "a new chat" }).click();
      await tab.page.waitForURL("**/journey");
      await expect.poll(() => tab.composer.inputValue()).toBe("One more");
      await tab.composer.press("Enter");
      await tab.has(2);
      await expect.poll(async () => (await rows()).map(({ messages }) => messages.length)).toEqual([2, 2]);
    }),
  );
});

describe("what an older program left", () => {
  test(
    "among the messages is left out of the page, and the conversation goes on",
    inBrowser(async ({ open, rows, sql }) => {
      const junk = [null, 7, { id: "x" }] as never[];
      const messages = [said("user", "m1", "Question 1"), ...junk, said("assistant", "m2", "Answer 2.")];
      const id = await store(sql, { messages });
      const tab = await open(`/journey/${id}`);
      await tab.has(2);
      await tab.ask("Are you there?");
      await expect.poll(async () => (await rows())[0]?.messages.length).toBe(7);
      expect((await rows())[0]?.messages.slice(0, 5)).toEqual(messages);
    }),
  );

  test(
    "in place of the messages is said to be damaged, beside the sessions that are not",
    inBrowser(async ({ open, sql }) => {
      const id = await store(sql, { title: "Damaged" });
      await store(sql, { title: "Sound" });
      await sql`alter table journey_sessions drop constraint journey_sessions_messages_is_array`;
      await sql`update journey_sessions set messages = '{}' where id = ${id}`;
      const tab = await open();
      tab.mayMeet(500, "server error");
      await tab.item("Damaged").click();
      await expect.poll(() => read(tab.title)).toBe("This cannot be shown");
      await tab.item("Sound").click();
      await tab.has(2);
    }),
  );
});
