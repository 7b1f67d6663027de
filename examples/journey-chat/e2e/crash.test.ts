import { describe, expect, test } from "vitest";
import { outline, type Row, textOf, words, wordsOf } from "./support/rows.js";
import { inBrowser, type Scene } from "./support/scene.js";
import { read, type Tab } from "./support/tab.js";

const QUESTION = "Tell me a long story";

/** A tab in which a long reply streams, and which may lose the server. */
async function openStreaming(open: Scene["open"]): Promise<Tab> {
  const tab = await open();
  tab.mayMeet("no network");
  await tab.send(QUESTION);
  await tab.streams();
  return tab;
}

/** All that is stored: one session, in which nothing but the question was said. */
async function storedQuestion(rows: () => Promise<Row[]>) {
  const stored = (await rows()).map(({ messages }) => messages);
  expect(stored.map((messages) => messages.map((one) => `${one.role}: ${textOf(one)}`))).toEqual([
    [`user: ${QUESTION}`],
  ]);
  return stored.flat();
}

/** Asks for the reply again: the whole of it follows the question, in the row, on the page and after a reload. */
async function isAnsweredByRetry(tab: Tab, rows: () => Promise<Row[]>) {
  const [question] = await storedQuestion(rows);
  await tab.alert.getByRole("button", { name: "Retry" }).click();
  await tab.streams();
  await tab.has(2);
  await expect.poll(async () => (await rows())[0]?.messages.length).toBe(2);
  const messages = (await rows()).flatMap((row) => row.messages);
  const [first, answer] = messages;
  if (!question || !answer) throw new Error("expected a question and an answer");
  expect(first).toMatchObject({ id: question.id, role: "user", parts: question.parts });
  expect(answer.role).toBe("assistant");
  expect(answer.metadata?.interrupted).toBeUndefined();
  expect(words(textOf(answer))).toMatch(
    /^1\. The ferryman .* 10\. The ferryman .* a little apart from the rest\.$/,
  );
  const isShown = async () => {
    await tab.has(2);
    expect(await tab.shown()).toEqual(outline(messages));
    await expect.poll(() => read(tab.answer)).toBe(wordsOf(answer));
    expect(await tab.alert.count()).toBe(0);
  };
  await isShown();
  await tab.page.reload();
  await isShown();
}

describe("a server that is killed while a reply streams", () => {
  test(
    "leaves the message in the row and what arrived on the page, marked; once it is back, Retry answers it",
    inBrowser(async ({ open, rows, application }) => {
      const tab = await openStreaming(open);
      const arrived = await read(tab.answer);
      await application.killed(async () => {
        await tab.answer.getByText("Interrupted", { exact: true }).waitFor();
        await tab.alert.getByText("The reply failed.").waitFor();
        await tab.has(2);
        expect(await read(tab.answer)).toContain(arrived);
        expect((await tab.shown())[0]).toEqual(outline(await storedQuestion(rows))[0]);
      });
      await isAnsweredByRetry(tab, rows);
    }),
  );

  test(
    "loses nothing for a page that is opened once it is back: it says that the reply is missing, and Retry gives it",
    inBrowser(async ({ open, rows, application }) => {
      const tab = await openStreaming(open);
      const id = await tab.sessionId();
      await application.killed(async () => {});
      await tab.page.close();
      const later = await open(`/journey/${id}`);
      await later.alert.getByText("The last reply is missing or incomplete.").waitFor();
      await later.has(1);
      expect(await read(later.messages.first())).toBe(QUESTION);
      await isAnsweredByRetry(later, rows);
    }),
  );
});
