import { describe, expect, test } from "vitest";
import { flatOf, flatShown, messagesOf, showsStored, stored } from "./support/answers.js";
import { textOf } from "./support/rows.js";
import { inBrowser, PHONE, type Scene } from "./support/scene.js";
import type { Tab } from "./support/tab.js";

const QUESTION = "Think slowly about a weekend";

/** A tab in which a reply of seven seconds streams, and which may lose the server. */
async function openStreaming(open: Scene["open"], path?: string): Promise<Tab> {
  const tab = await open(path);
  tab.mayMeet("no network");
  if (!path) await tab.send(QUESTION);
  await tab.streams();
  return tab;
}

/** The beginning of the reply that was written is stored and shown, marked, once, and can be asked for again. */
async function areMarked(tabs: readonly Tab[], rows: Scene["rows"]) {
  // Ten seconds after the last batch.
  for (const tab of tabs)
    await tab.answer.getByText("Interrupted", { exact: true }).waitFor({ timeout: 30_000 });
  const answer = await stored(rows);
  expect(answer.metadata).toMatchObject({ interrupted: "failed" });
  expect(flatOf(answer)).toMatch(/^Two days, so one theme a day\./);
  expect(flatOf(answer)).not.toContain("joins in.");
  for (const tab of tabs) {
    await showsStored(tab, rows);
    await tab.alert.getByRole("button", { name: "Retry" }).waitFor();
  }
  return answer;
}

/** Asks for the reply again: the whole of it takes the place of the other, on all pages. */
async function isAnsweredByRetry(tabs: readonly [Tab, ...Tab[]], rows: Scene["rows"]) {
  const [question, failed] = await messagesOf(rows);
  await tabs[0].alert.getByRole("button", { name: "Retry" }).click();
  await tabs[0].streams();
  await expect.poll(async () => (await messagesOf(rows)).at(-1)?.role).toBe("user");
  const answer = await stored(rows);
  expect((await messagesOf(rows))[0]).toMatchObject({ id: question?.id, parts: question?.parts });
  expect(answer.id).not.toBe(failed?.id);
  expect(answer.metadata?.interrupted).toBeUndefined();
  expect(textOf(answer)).toMatch(/^Saturday for the old town.* joins in\.$/s);
  for (const tab of tabs) {
    await showsStored(tab, rows);
    expect(await tab.alert.count()).toBe(0);
  }
}

describe("a server that is killed while a reply streams", () => {
  test(
    "leaves what arrived on the pages; once it is back, all show what had been written, marked, and Retry answers it",
    inBrowser(async ({ open, rows, application }) => {
      const tab = await openStreaming(open);
      const path = `/journey/${await tab.sessionId()}`;
      const second = await openStreaming(open, path);
      const arrived = await flatShown(tab);
      await application.killed(async () => {
        for (const one of [tab, second]) await one.page.getByText("The connection was lost.").waitFor();
        expect(await flatShown(tab)).toContain(arrived);
        expect((await messagesOf(rows)).map(textOf)).toEqual([QUESTION]);
      });
      const phone = await open(path, PHONE);
      const tabs = [tab, second, phone] as const;
      await areMarked(tabs, rows);
      await isAnsweredByRetry(tabs, rows);
    }),
  );

  test(
    "loses no more for a page that is opened once it is back",
    inBrowser(async ({ open, rows, application }) => {
      const tab = await openStreaming(open);
      const path = `/journey/${await tab.sessionId()}`;
      await application.killed(() => tab.page.close());
      const later = await open(path);
      const answer = await areMarked([later], rows);
      await later.page.reload();
      await later.alert.getByText("The last reply is missing or incomplete.").waitFor();
      expect(await areMarked([later], rows)).toEqual(answer);
    }),
  );
});
