import { describe, expect, test } from "vitest";
import { store } from "./support/rows.js";
import { inBrowser } from "./support/scene.js";
import { read, type Tab } from "./support/tab.js";

const newChat = async (tab: Tab) => {
  await tab.sessions.getByRole("link", { name: "New chat" }).click();
  await tab.page.waitForURL("**/journey");
  await expect.poll(() => tab.messages.count()).toBe(0);
};

const showsOnly = (tab: Tab, question: string) =>
  expect
    .poll(() => tab.log.getByRole("article", { name: "You" }).allInnerTexts())
    .toEqual([expect.stringContaining(question)]);

describe("back and forward", () => {
  test(
    "after the first message show what was there before, and the live conversation again",
    inBrowser(async ({ open, sql }) => {
      const earlier = await store(sql);
      const tab = await open(`/journey/${earlier}`);
      await newChat(tab);
      await tab.ask("A new one");
      const id = await tab.sessionId();
      expect(id).not.toBe(earlier);
      await tab.page.goBack();
      await tab.page.waitForURL(`**/${earlier}`);
      await showsOnly(tab, "Question 1");
      await tab.page.goForward();
      await tab.page.waitForURL(`**/${id}`);
      await showsOnly(tab, "A new one");
      await tab.has(2);
      await tab.ask("And more");
      await tab.page.reload();
      await tab.has(4);
    }),
  );

  test(
    "between two new chats keep them apart: each is a row of its own",
    inBrowser(async ({ open, rows }) => {
      const tab = await open();
      await tab.ask("Of the first");
      const first = await tab.sessionId();
      await newChat(tab);
      await tab.page.goBack();
      await tab.page.waitForURL(`**/${first}`);
      await showsOnly(tab, "Of the first");
      await tab.page.goForward();
      await tab.page.waitForURL("**/journey");
      await expect.poll(() => tab.messages.count()).toBe(0);
      await tab.ask("Of the second");
      const second = await tab.sessionId();
      await newChat(tab);
      await tab.ask("Of the third");
      expect(await rows()).toMatchObject([
        { metadata: { title: "Of the third" }, messages: { length: 2 } },
        { id: second, metadata: { title: "Of the second" }, messages: { length: 2 } },
        { id: first, metadata: { title: "Of the first" }, messages: { length: 2 } },
      ]);
    }),
  );
});

describe("a reply that streams", () => {
  test(
    "goes on while another session is open, and is whole when its own is opened again",
    inBrowser(async ({ open, rows, sql }) => {
      await store(sql, { title: "The other one" });
      const tab = await open();
      await tab.send("Write a long story");
      await tab.streams();
      const id = await tab.sessionId();
      await tab.item("The other one").click();
      await showsOnly(tab, "Question 1");
      await tab.idle();
      expect(await read(tab.log)).not.toContain("ferryman");
      await tab.item("Write a long story").click();
      await showsOnly(tab, "Write a long story");
      await tab.streams();
      await tab.has(2);
      expect((await read(tab.answer)).match(/The ferryman counted/g)).toHaveLength(10);
      await expect.poll(async () => (await rows()).find((row) => row.id === id)?.messages.length).toBe(2);
      expect((await rows()).find((row) => row.id === id)?.messages[1]?.metadata?.interrupted).toBeUndefined();
    }),
  );

  test(
    "is found again by Back, and another session can be written to meanwhile",
    inBrowser(async ({ open, rows, sql }) => {
      const other = await store(sql, { title: "The other one" });
      const tab = await open();
      await tab.send("Write a long story");
      await tab.streams();
      await tab.item("The other one").click();
      await showsOnly(tab, "Question 1");
      await tab.ask("Meanwhile");
      await tab.page.goBack();
      await showsOnly(tab, "Write a long story");
      await tab.streams();
      await tab.button("Stop").click();
      await tab.answer.getByText("Stopped").waitFor();
      await expect
        .poll(async () => (await rows()).map(({ id, messages }) => [id, messages.length]))
        .toEqual([
          [await tab.sessionId(), 2],
          [other, 4],
        ]);
    }),
  );
});

describe("the title of the document", () => {
  const isTitled = (tab: Tab, title: string) => expect.poll(() => tab.page.title()).toBe(title);

  test(
    "is that of the session, and follows when it is renamed or another is opened",
    inBrowser(async ({ open, sql }) => {
      await store(sql, { title: "The other one" });
      const tab = await open(`/journey/${await store(sql, { title: "Old title" })}`);
      await isTitled(tab, "Old title – Journey");
      await tab.choose("Old title", "Rename");
      const field = tab.sessions.getByRole("textbox", { name: "Title" });
      await field.fill("New title");
      await field.press("Enter");
      await isTitled(tab, "New title – Journey");
      await tab.item("The other one").click();
      await isTitled(tab, "The other one – Journey");
      expect(await tab.page.locator("head title").count()).toBe(1);
      await newChat(tab);
      await isTitled(tab, "New chat – Journey");
      await tab.page.goBack();
      await isTitled(tab, "The other one – Journey");
    }),
  );

  test(
    "of a new chat becomes that of the session with the first message",
    inBrowser(async ({ open }) => {
      const tab = await open();
      await isTitled(tab, "New chat – Journey");
      await tab.send("Write a long story");
      await isTitled(tab, "Write a long story – Journey");
    }),
  );

  test(
    "says where nothing is found, and where it cannot be shown",
    inBrowser(async ({ open, sql }) => {
      const id = await store(sql, { title: "Damaged" });
      await sql`alter table journey_sessions drop constraint journey_sessions_messages_is_array`;
      await sql`update journey_sessions set messages = '{}' where id = ${id}`;
      const tab = await open();
      tab.mayMeet(404, 500, "server error");
      await tab.item("Damaged").click();
      await isTitled(tab, "This cannot be shown – Journey");
      for (const path of ["/journey/none", "/none"]) {
        await tab.go(path);
        await isTitled(tab, "Not found – Journey");
      }
    }),
  );
});
