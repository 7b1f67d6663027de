import type { Route } from "playwright-core";
import { describe, expect, test } from "vitest";
import type { SessionEvent } from "../../../src/ai-sdk.js";
import type { JourneyMessage } from "../../../src/index.js";
import { type Row, wordsOf } from "./support/rows.js";
import { inBrowser, type Scene } from "./support/scene.js";
import type { Tab } from "./support/tab.js";

const card = (tab: Tab) => tab.answer.getByRole("region", { name: "Tool: book" });
const allow = (tab: Tab) => card(tab).getByRole("button", { name: "Allow", exact: true });
const refuse = (tab: Tab) => card(tab).getByRole("button", { name: "Do not allow" });

/** The call in the only session's answer. */
const callOf = ([row]: Row[]) => row?.messages[1]?.parts.find(({ type }) => type === "tool-book");

/** A tab in which a tool waits to be allowed. */
async function openWaiting({ open, rows }: Scene, question = "Book a table for two"): Promise<Tab> {
  const tab = await open();
  await tab.send(question);
  await allow(tab).waitFor();
  await expect.poll(async () => callOf(await rows())?.state).toBe("approval-requested");
  return tab;
}

/** Until the answer has come to its end, on the page and in the row. */
async function booked(tab: Tab, rows: Scene["rows"]): Promise<Row> {
  await tab.answer.getByText("The table is booked").waitFor();
  await tab.idle();
  await expect.poll(async () => callOf(await rows())?.state).toBe("output-available");
  const [row] = (await rows()) as [Row];
  expect(row.messages).toHaveLength(2);
  expect(callOf([row])).toMatchObject({ state: "output-available", output: { restaurant: "Chez Hortense" } });
  expect(wordsOf(row.messages[1] as JourneyMessage)).toContain("The table is booked");
  expect(await tab.answer.getByText(callOf([row])?.output.reference).count()).toBe(1);
  return row;
}

describe("a tool that waits to be allowed", () => {
  test(
    "runs when it is, and the answer goes on where it was",
    inBrowser(async (scene) => {
      const tab = await openWaiting(scene);
      const [before] = await scene.rows();
      await allow(tab).click();
      const row = await booked(tab, scene.rows);
      expect(row.messages.map(({ id }) => id)).toEqual(before?.messages.map(({ id }) => id));
      await tab.page.reload();
      await booked(tab, scene.rows);
      expect(await tab.alert.count()).toBe(0);
    }),
  );

  test(
    "does not run when it is not",
    inBrowser(async (scene) => {
      const tab = await openWaiting(scene);
      await refuse(tab).click();
      await tab.answer.getByText("nothing is booked").waitFor();
      await card(tab).getByText("You did not allow it").waitFor();
      await expect.poll(async () => callOf(await scene.rows())?.state).toBe("output-denied");
      expect(callOf(await scene.rows())?.output).toBeUndefined();
    }),
  );

  test(
    "waits for as long as it takes, on another page too",
    inBrowser(async (scene) => {
      const tab = await openWaiting(scene);
      const later = await scene.open(tab.path());
      await allow(later).click();
      await booked(later, scene.rows);
    }),
  );

  test(
    "is answered once: a second tab that has not learned it is told, and changes nothing",
    inBrowser(async (scene) => {
      const tab = await openWaiting(scene);
      const second = await scene.open(tab.path());
      await second.deafen();
      await refuse(second).waitFor();
      await allow(tab).click();
      const before = await booked(tab, scene.rows);
      second.mayMeet(409);
      await refuse(second).click();
      await second.alert.getByText("This conversation went on in another tab.").waitFor();
      expect(await booked(second, scene.rows)).toEqual(before);
    }),
  );

  test(
    "is answered in a second tab as well, which shows the rest of the answer",
    inBrowser(async (scene) => {
      const tab = await openWaiting(scene);
      const second = await scene.open(tab.path());
      await allow(second).waitFor();
      await allow(tab).click();
      for (const one of [second, tab]) await booked(one, scene.rows);
      expect(await second.button("Allow").count()).toBe(0);
    }),
  );

  test(
    "runs when Retry brings to the server what did not reach it",
    inBrowser(async (scene) => {
      const tab = await openWaiting(scene);
      tab.mayMeet("no network");
      await tab.page.context().setOffline(true);
      await allow(tab).click();
      await tab.alert.getByRole("button", { name: "Retry" }).waitFor();
      expect(callOf(await scene.rows())?.state).toBe("approval-requested");
      await tab.page.context().setOffline(false);
      await tab.alert.getByRole("button", { name: "Retry" }).click();
      await booked(tab, scene.rows);
    }),
  );

  test(
    "has run when the model fails to go on: Retry does not run it again",
    inBrowser(async (scene) => {
      const tab = await openWaiting(scene, "Book a table, and fail once");
      await allow(tab).click();
      await tab.answer.getByText("Interrupted", { exact: true }).waitFor();
      await expect
        .poll(async () => (await scene.rows())[0]?.messages[1]?.metadata?.interrupted)
        .toBe("failed");
      const { reference } = callOf(await scene.rows())?.output ?? {};
      await tab.alert.getByRole("button", { name: "Retry" }).click();
      const row = await booked(tab, scene.rows);
      expect(callOf([row])?.output.reference).toBe(reference);
      expect(row.messages[1]?.metadata).not.toHaveProperty("interrupted");
      await tab.answer.getByText("Interrupted", { exact: true }).waitFor({ state: "detached" });
    }),
  );

  test(
    "has run when the model fails to go on: a second tab that follows the reply after its end shows what is stored",
    inBrowser(async (scene) => {
      const tab = await openWaiting(scene, "Book a table for four, and fail once");
      const second = await scene.open(tab.path());
      const interrupted = async () => (await scene.rows())[0]?.messages[1]?.metadata?.interrupted;
      // The event that the reply began comes once it has ended, and is the first that the tab gets.
      const event: SessionEvent = { revision: "", replyId: crypto.randomUUID() };
      const late = async (route: Route) => {
        await expect.poll(interrupted).toBe("failed");
        await route.fulfill({ contentType: "text/event-stream", body: `data: ${JSON.stringify(event)}\n\n` });
      };
      await second.page.route("**/events", late, { times: 1 });
      await second.page.reload();
      await allow(second).waitFor();
      await allow(tab).click();
      for (const one of [tab, second]) {
        await one.alert.getByRole("button", { name: "Retry" }).waitFor();
        await one.answer.getByText("Interrupted", { exact: true }).waitFor();
      }
    }),
  );

  test(
    "is left behind by another message",
    inBrowser(async (scene) => {
      const tab = await openWaiting(scene);
      await tab.ask("Never mind");
      await expect.poll(async () => (await scene.rows())[0]?.messages.length).toBe(4);
      expect(callOf(await scene.rows())?.state).toBe("approval-requested");
      expect(await tab.button("Allow").count()).toBe(0);
    }),
  );
});
