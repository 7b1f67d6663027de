import { randomUUID } from "node:crypto";
import type { APIResponse } from "playwright-core";
import { describe, expect, test } from "vitest";
import { store } from "./support/rows.js";
import { inBrowser, type Scene } from "./support/scene.js";
import { read, type Tab } from "./support/tab.js";

/** Ada's session, one tab of hers and one of Grace's. */
async function adaAndGrace({ open, sql }: Scene) {
  const id = await store(sql, { title: "Ada's plans" });
  await store(sql, { title: "Ada's old plans", archived: true });
  const grace = await open("/journey", { as: "grace" });
  grace.mayMeet(404);
  return { id, grace };
}

/** The body that the page itself sends with a message. */
async function bodyOfASend({ open }: Scene): Promise<unknown> {
  const tab = await open();
  const request = tab.page.waitForRequest((one) => one.method() === "POST" && one.url().includes("/api/"));
  await tab.send("From Ada");
  const body: unknown = (await request).postDataJSON();
  await tab.has(2);
  return body;
}

async function expectNotFound(answer: APIResponse) {
  expect(answer.status(), answer.url()).toBe(404);
  expect((await answer.text()) || "{}").not.toMatch(/Question|Answer|plans/);
}

const shows404 = async (tab: Tab, path: string) => {
  const response = await tab.go(path);
  expect(response?.status()).toBe(404);
  expect(await read(tab.title)).toBe("Not found");
  expect(await read(tab.page.locator("body"))).not.toMatch(/Question|Answer|plans/);
};

describe("another user's session", () => {
  test(
    "is in no list, no search and at no address, and is left as it was",
    inBrowser(async (scene) => {
      const { id, grace } = await adaAndGrace(scene);
      const before = await scene.rows();
      await grace.sessions.getByText("No sessions yet").waitFor();
      await grace.toggleArchived();
      await grace.sessions.getByText("Nothing archived").waitFor();
      await grace.sessions.getByRole("searchbox", { name: "Search sessions" }).fill("Question");
      await grace.sessions.getByText("Nothing found").waitFor();
      await shows404(grace, `/journey/${id}`);
      await shows404(grace, `/journey/${id.toUpperCase()}`);
      expect(await scene.rows()).toEqual(before);
    }),
  );

  test(
    "is not found by any call, and none changes it",
    inBrowser(async (scene) => {
      const body = await bodyOfASend(scene);
      const { id, grace } = await adaAndGrace(scene);
      const before = await scene.rows();
      const url = new URL(`/api/journey/${id}`, grace.page.url()).href;
      const { request } = grace.page;
      await expectNotFound(await request.get(url));
      await expectNotFound(await request.get(`${url}?before=m2`));
      await expectNotFound(await request.post(url, { data: body }));
      await expectNotFound(await request.post(url, { data: { ...Object(body), after: "m2" } }));
      await expectNotFound(await request.post(url, { data: { ...Object(body), after: null, from: "m1" } }));
      await expectNotFound(await request.patch(url, { data: { title: "Mine now" } }));
      await expectNotFound(await request.patch(url, { data: { phase: "review", from: "setup" } }));
      await expectNotFound(await request.patch(url, { data: { pinned: true } }));
      await expectNotFound(await request.patch(url, { data: { archived: true } }));
      await expectNotFound(await request.post(`${url}/fork`, { data: { through: "m2" } }));
      await expectNotFound(await request.delete(url));
      expect(await scene.rows()).toEqual(before);
    }),
  );

  test(
    "answers as one that does not exist does, and so does an address that is none",
    inBrowser(async ({ open }) => {
      const tab = await open();
      tab.mayMeet(404, 400);
      await shows404(tab, `/journey/${randomUUID()}`);
      await shows404(tab, "/journey/no-id");
      await tab.page.getByRole("link").first().click();
      await tab.page.waitForURL("**/journey");
    }),
  );
});

describe("the switch of users", () => {
  test(
    "shows the other's sessions and nothing of the first's, not by Back either",
    inBrowser(async (scene) => {
      const { sql, rows, open } = scene;
      await store(sql, { as: "grace", title: "Grace's plans" });
      const tab = await open();
      tab.mayMeet(404);
      await tab.ask("Only for Ada");
      const id = await tab.sessionId();
      const before = await rows();
      await tab.page.getByRole("combobox", { name: "Signed in as" }).selectOption("Grace");
      await tab.item("Grace's plans").waitFor();
      await expect.poll(() => tab.items.count()).toBe(1);
      expect(await read(tab.page.locator("body"))).not.toContain("Only for Ada");
      await tab.page.goBack();
      await tab.page.waitForURL(`**/${id}`);
      await tab.page.getByRole("heading", { name: "Not found" }).waitFor();
      expect(await read(tab.page.locator("body"))).not.toContain("Only for Ada");
      expect(await rows()).toEqual(before);
      await tab.go("/journey");
      await tab.page.getByRole("combobox", { name: "Signed in as" }).selectOption("Ada");
      await tab.item("Only for Ada").click();
      await tab.has(2);
    }),
  );
});
