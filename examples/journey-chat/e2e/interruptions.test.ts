import { describe, expect, test } from "vitest";
import type { JourneyMessage } from "../../../src/index.js";
import { outline, type Row, textOf, wordsOf } from "./support/rows.js";
import { inBrowser } from "./support/scene.js";
import { read, type Tab } from "./support/tab.js";

/** The answer of the only session once it is stored. */
async function storedAnswer(rows: () => Promise<Row[]>, place = 1): Promise<JourneyMessage> {
  await expect.poll(async () => (await rows())[0]?.messages.length).toBe(place + 1);
  const answer = (await rows())[0]?.messages[place];
  if (!answer) throw new Error("no answer");
  return answer;
}

/** A part of the long story, and no more, marked as stopped. */
function expectPartial(answer: JourneyMessage) {
  expect(answer.metadata).toMatchObject({ interrupted: "stopped" });
  expect(answer.parts.map(({ state }) => state)).not.toContain("streaming");
  expect(textOf(answer)).toMatch(/^1\. The ferryman counted the lamps on the far bank/);
  expect(textOf(answer)).not.toContain("10. The ferryman");
}

const showsStored = (tab: Tab, answer: JourneyMessage) =>
  expect.poll(() => read(tab.answer)).toContain(wordsOf(answer));

describe("a reply that is stopped half-way", () => {
  test.each<[string, (tab: Tab) => Promise<void>]>([
    ["the button", (tab) => tab.button("Stop").click()],
    ["Escape", (tab) => tab.composer.press("Escape")],
  ])(
    "by %s keeps what arrived, marked, on the page, in the row and after a reload",
    inBrowser(async ({ open, rows }, _, stop) => {
      const tab = await open();
      await tab.send("Write a long story");
      await tab.streams();
      await stop(tab);
      await tab.answer.getByText("Stopped", { exact: true }).waitFor();
      await tab.idle();
      const live = await read(tab.answer);
      const answer = await storedAnswer(rows);
      expectPartial(answer);
      expect(live).toContain("The ferryman counted the lamps on the far bank");
      await tab.page.reload();
      await tab.answer.getByText("Stopped", { exact: true }).waitFor();
      await showsStored(tab, answer);
      expect(await tab.alert.count()).toBe(0);
    }),
  );

  test(
    "is followed by the next message, whose answer sees both",
    inBrowser(async ({ open, rows }) => {
      const tab = await open();
      await tab.send("Write a long story");
      await tab.streams();
      await tab.button("Stop").click();
      await tab.answer.getByText("Stopped", { exact: true }).waitFor();
      await tab.ask("What now?");
      await storedAnswer(rows, 3);
      const [row] = await rows();
      expect(outline(row?.messages ?? [])).toEqual(await tab.shown());
      expect(row?.messages.map(({ metadata }) => metadata?.interrupted)).toEqual([
        undefined,
        "stopped",
        undefined,
        undefined,
      ]);
    }),
  );

  test(
    "before its first word leaves the message, and the next one works",
    inBrowser(async ({ open, rows }) => {
      const tab = await open();
      await tab.send("Be slow");
      await expect.poll(async () => (await rows()).length).toBe(1);
      await tab.button("Stop").click();
      await tab.idle();
      await tab.send("Something else");
      await tab.answer.getByText("Happy to help").waitFor();
      await tab.idle();
      await expect.poll(async () => outline((await rows())[0]?.messages ?? [])).toEqual(await tab.shown());
      expect((await rows())[0]?.messages.map(({ role }) => role)).toEqual(["user", "user", "assistant"]);
    }),
  );
});

describe("a tab that is closed while a reply streams", () => {
  test(
    "lets it come to its end: the whole of it is stored, and the next visit shows it",
    inBrowser(async ({ open, rows }) => {
      const tab = await open();
      await tab.send("Think about the long story of Lyon");
      await tab.streams();
      const id = await tab.sessionId();
      await tab.page.close();
      const answer = await storedAnswer(rows);
      expect(answer.metadata?.interrupted).toBeUndefined();
      expect(textOf(answer)).toMatch(/joins in\.$/);
      const later = await open(`/journey/${id}`);
      await later.has(2);
      await showsStored(later, answer);
      expect(await later.alert.count()).toBe(0);
    }),
  );
});

describe("a session that is deleted while its reply streams", () => {
  test(
    "in the same tab stays deleted, and the tab is at a new chat",
    inBrowser(async ({ open, rows }) => {
      const tab = await open();
      await tab.send("Write a long story");
      await tab.streams();
      await tab.choose("Write a long story", "Delete");
      await tab.page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
      await tab.page.waitForURL("**/journey");
      await tab.sessions.getByText("No sessions yet").waitFor();
      // Long enough for the stream that was cut to be stored, if it were.
      await tab.ask("Something else");
      expect((await rows()).map(({ metadata }) => metadata.title)).toEqual(["Something else"]);
    }),
  );

  test(
    "elsewhere stays deleted when the reply has ended, and the next message says so and is not lost",
    inBrowser(async ({ open, rows, sql }) => {
      const tab = await open();
      tab.mayMeet(404);
      await tab.send("Write a long story");
      await tab.streams();
      await sql`delete from journey_sessions`;
      await tab.has(2);
      expect(await rows()).toEqual([]);
      await tab.send("Are you there?");
      await tab.alert.getByText("This session was deleted.").waitFor();
      await expect.poll(() => tab.composer.inputValue()).toBe("Are you there?");
      expect(await rows()).toEqual([]);
      await tab.alert.getByRole("link").click();
      await tab.page.waitForURL("**/journey");
      expect(await read(tab.title)).toBe("New chat");
    }),
  );
});
