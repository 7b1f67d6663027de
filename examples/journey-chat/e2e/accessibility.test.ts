import { describe, expect, test } from "vitest";
import { LOOKS, type Look, photograph, RICH, seriousViolations } from "./support/looks.js";
import { conversation, said, store } from "./support/rows.js";
import { inBrowser, type Scene } from "./support/scene.js";
import type { Tab } from "./support/tab.js";

/** Opens a state of the application in a look. */
type State = (scene: Scene, look: Look) => Promise<Tab>;

const stored = async ({ open, sql }: Scene, { visitor }: Look, session = {}) => {
  await store(sql, { title: "Trains to Geneva", createdAt: new Date("2026-02-03T10:00:00Z") });
  const id = await store(sql, {
    title: "A weekend in Lyon, with a title that is longer than its line",
    messages: RICH,
    createdAt: new Date("2026-02-04T10:00:00Z"),
    ...session,
  });
  const tab = await open(`/journey/${id}`, visitor);
  await tab.idle();
  await tab.messages.last().waitFor();
  return tab;
};

/** As stored, and with the sessions in view, on a phone too. */
const withSessions = async (scene: Scene, look: Look) => {
  const tab = await stored(scene, look);
  if (look.phone) await tab.button("Open sessions").click();
  await tab.item("Trains to Geneva").waitFor();
  return tab;
};

const menuOf = async (tab: Tab) => {
  await tab.item("Trains to Geneva").hover();
  await tab.sessions.getByRole("button", { name: "Options for Trains to Geneva" }).click();
  await tab.page.getByRole("menu").waitFor();
};

const STATES: Record<string, State> = {
  "a new chat": async ({ open }, { visitor, phone }) => {
    const tab = await open("/journey", visitor);
    if (!phone) await tab.sessions.getByText("No sessions yet").waitFor();
    return tab;
  },
  "a conversation": stored,
  "a conversation with its reasoning open": async (scene, look) => {
    const tab = await stored(scene, look, { messages: RICH.slice(0, 4) });
    await tab.log.getByText("Reasoning").first().click();
    await tab.log.getByText("one theme a day").waitFor();
    return tab;
  },
  "the review": (scene, look) => stored(scene, look, { phase: "review" }),
  "a reply that is awaited": async ({ open }, { visitor }) => {
    const tab = await open("/journey", visitor);
    await tab.send("Be slow");
    await tab.button("Stop").waitFor();
    return tab;
  },
  "a reply that streams": async ({ open }, { visitor }) => {
    const tab = await open("/journey", visitor);
    await tab.send("Write a long story");
    await tab.streams();
    return tab;
  },
  "a reply that failed": async ({ open }, { visitor }) => {
    const tab = await open("/journey", visitor);
    await tab.send("Fail half-way");
    await tab.alert.getByRole("button", { name: "Retry" }).waitFor();
    return tab;
  },
  "a tool that waits to be allowed": async ({ open }, { visitor }) => {
    const tab = await open("/journey", visitor);
    await tab.send("Book a table for two");
    await tab.button("Allow").waitFor();
    return tab;
  },
  "a conversation that went on in another tab": async (scene, look) => {
    const tab = await stored(scene, look, { messages: conversation(2) });
    tab.mayMeet(409);
    await tab.deafen();
    const messages = JSON.stringify([...conversation(2), said("user", "m3", "From elsewhere")]);
    await scene.sql`update journey_sessions set messages = ${messages}::text::jsonb`;
    await tab.send("Unsent");
    await tab.alert.getByText("This conversation went on in another tab.").waitFor();
    await expect.poll(() => tab.composer.inputValue()).toBe("Unsent");
    return tab;
  },
  "a message that is edited": async (scene, look) => {
    const tab = await stored(scene, look, { messages: conversation(2) });
    await tab.act(tab.messages.first(), "Edit");
    await tab.log.getByRole("textbox", { name: "Edit message" }).waitFor();
    return tab;
  },
  "the sessions": withSessions,
  "the archived sessions": async (scene, look) => {
    await store(scene.sql, { title: "Long ago", archived: true });
    const tab = await withSessions(scene, look);
    await tab.choose("Trains to Geneva", "Pin");
    await tab.sessions.getByText("Pinned").waitFor();
    await photograph(tab, `${look.name}-a-pinned-session`);
    await tab.filter("Setup");
    await tab.toggleArchived();
    await tab.item("Long ago").waitFor();
    return tab;
  },
  "a menu": async (scene, look) => {
    const tab = await withSessions(scene, look);
    await menuOf(tab);
    return tab;
  },
  "a title that is changed": async (scene, look) => {
    const tab = await withSessions(scene, look);
    await menuOf(tab);
    await tab.page.getByRole("menuitem", { name: "Rename" }).click();
    await tab.sessions.getByRole("textbox", { name: "Title" }).waitFor();
    return tab;
  },
  "the question before a deletion": async (scene, look) => {
    const tab = await withSessions(scene, look);
    await menuOf(tab);
    await tab.page.getByRole("menuitem", { name: "Delete" }).click();
    await tab.page.getByRole("dialog", { name: "Delete this session?" }).waitFor();
    return tab;
  },
  "the results of a search": async (scene, look) => {
    const tab = await withSessions(scene, look);
    await tab.sessions.getByRole("searchbox").fill("weather");
    await tab.sessions.getByRole("list", { name: "Search results" }).locator("mark").waitFor();
    return tab;
  },
  "a search without results": async (scene, look) => {
    const tab = await withSessions(scene, look);
    await tab.sessions.getByRole("searchbox").fill("nothing like it");
    await tab.sessions.getByText("Nothing found").waitFor();
    return tab;
  },
  "an address of nothing": async ({ open }, { visitor }) => {
    const tab = await open("/journey", visitor);
    tab.mayMeet(404);
    await tab.go("/journey/none");
    await tab.page.getByRole("heading", { name: "Not found" }).waitFor();
    return tab;
  },
};

/** Each width and each colour scheme once. */
const TWO = LOOKS.filter(({ phone, visitor }) => phone === (visitor.colorScheme === "dark"));

describe.each(TWO)("$name", (look) => {
  test.each(Object.entries(STATES))(
    "no rule of axe is seriously broken by %s",
    inBrowser(async (scene, name, state) => {
      const tab = await state(scene, look);
      await photograph(tab, `${look.name}-${name.replaceAll(" ", "-")}`);
      expect(await seriousViolations(tab)).toEqual([]);
    }),
  );
});
