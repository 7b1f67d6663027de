import { randomUUID } from "node:crypto";
import { describe, expect, test, vi } from "vitest";
import { errorCode, interruption } from "../../src/ai-sdk.js";
import type { JourneyMessage } from "../../src/index.js";
import { migratedDatabase, openPostgresJs } from "../support/database.js";
import { openApplication, SDK_VERSIONS, wordsOf } from "./support/ai-chat.js";

const db = openPostgresJs(await migratedDatabase());

describe.each(SDK_VERSIONS)("with %s", (version) => {
  const open = () => openApplication(db, version);
  type Application = ReturnType<typeof open>;

  /** A session with one turn. */
  async function afterOneTurn(application: Application) {
    const page = await application.openPage();
    await application.answered(0, page.sendMessage({ text: "one" }), "first");
    return page;
  }

  test("the first message makes the session, with a title, before the model is asked; the answer has one id", async () => {
    const application = open();
    const page = await application.openPage();
    const sent = page.sendMessage({ text: "What is\n a row?" });
    const reply = await application.reply(0);
    expect(await application.conversation()).toEqual(["What is\n a row?"]);
    expect((await application.sessions().get(application.id))?.metadata).toEqual({ title: "What is a row?" });
    reply.says("A record.");
    await sent;
    expect(await application.stored(0)).toMatchObject({ messageCount: 2 });
    const [question, answer] = await application.storedMessages();
    expect(question).toMatchObject({ id: page.messages[0].id, metadata: { answerId: answer?.id } });
    expect(answer).toMatchObject({ id: page.messages[1].id, role: "assistant" });
    expect(wordsOf(answer as JourneyMessage)).toBe("A record.");
    expect(interruption(answer as JourneyMessage)).toBeUndefined();
  });

  test("a second turn sends one message, and the model gets the whole conversation", async () => {
    const application = open();
    const page = await afterOneTurn(application);
    const sent = page.sendMessage({ text: "two" });
    (await application.reply(1)).says("second");
    await sent;
    expect(application.prompts[1].map(({ role }: { role: string }) => role)).toEqual([
      "user",
      "assistant",
      "user",
    ]);
    await application.stored(1);
    expect(await application.conversation()).toEqual(["one", "first", "two", "second"]);
    expect((await application.sessions().get(application.id))?.metadata).toEqual({ title: "one" });
  });

  test("what had arrived when the user stopped is stored, and marked", async () => {
    const application = open();
    const page = await application.openPage();
    const sent = page.sendMessage({ text: "one" });
    const reply = await application.reply(0);
    reply.begin();
    reply.words("half");
    await vi.waitUntil(
      () => page.messages[1]?.parts.some((part: { text?: string }) => part.text === "half"),
      { timeout: 30_000 },
    );
    await page.stop();
    await sent;
    await application.stored(0);
    const answer = (await application.storedMessages())[1] as JourneyMessage;
    expect(interruption(answer)).toBe("stopped");
    expect(answer.id).toBe(page.messages[1].id);
    expect(answer.parts.at(-1)).toMatchObject({ type: "text", text: "half", state: "done" });

    await application.answered(1, page.sendMessage({ text: "two" }), "second");
    expect(await application.conversation()).toEqual(["one", "half", "two", "second"]);
  });

  test("a browser that goes without a word costs nothing of the answer", async () => {
    const application = open();
    const request = new Request("http://application/api", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        message: { id: "m1", role: "user", parts: [{ type: "text", text: "one" }] },
        after: null,
      }),
    });
    const response = await application.handle(request);
    await response.body?.cancel();
    (await application.reply(0)).says("whole");
    await application.stored(0);
    expect(await application.conversation()).toEqual(["one", "whole"]);
  });

  test("a reply that fails before anything arrived leaves the user's message, which a retry stores once", async () => {
    const application = open();
    const page = await application.openPage();
    const sent = page.sendMessage({ text: "one" });
    (await application.reply(0)).fail();
    await sent;
    expect(await application.stored(0)).toBeNull();
    expect(page.status).toBe("error");
    expect(await application.conversation()).toEqual(["one"]);

    await application.answered(1, page.turns.retry(), "first");
    expect(await application.conversation()).toEqual(["one", "first"]);
    expect(application.statuses).toEqual([200, 200]);
  });

  test("a message that never reached the server is stored by a retry", async () => {
    const application = open();
    const page = await application.openPage([
      { id: randomUUID(), role: "user", parts: [{ type: "text", text: "one" }] },
    ]);
    await application.answered(0, page.turns.retry(), "first");
    expect(await application.conversation()).toEqual(["one", "first"]);
  });

  test("what had arrived when the model failed is stored and marked, and a retry replaces it", async () => {
    const application = open();
    const page = await application.openPage();
    const sent = page.sendMessage({ text: "one" });
    const reply = await application.reply(0);
    reply.begin();
    reply.words("half");
    reply.fail();
    await sent;
    await application.stored(0);
    expect(await application.conversation()).toEqual(["one", "half"]);
    expect(interruption((await application.storedMessages())[1] as JourneyMessage)).toBe("failed");

    await application.answered(1, page.turns.retry(), "first");
    expect(await application.conversation()).toEqual(["one", "first"]);
  });

  test.each(["fail", "breakOff"] as const)("a failure between two parts is one too: %s", async (how) => {
    const application = open();
    const page = await application.openPage();
    const sent = page.sendMessage({ text: "one" });
    const reply = await application.reply(0);
    reply.part("whole");
    await vi.waitUntil(
      () => page.messages[1]?.parts.some(({ state }: { state?: string }) => state === "done"),
      { timeout: 30_000 },
    );
    reply[how]();
    await sent;
    await application.stored(0);
    expect(interruption((await application.storedMessages())[1] as JourneyMessage)).toBe("failed");
  });

  test("a regenerated answer and an edited message replace what follows, of an earlier turn too", async () => {
    const application = open();
    const page = await afterOneTurn(application);
    await application.answered(1, page.sendMessage({ text: "two" }), "second");

    await application.answered(2, page.turns.regenerate(page.messages[3].id), "second again");
    expect(await application.conversation()).toEqual(["one", "first", "two", "second again"]);

    await application.answered(3, page.turns.edit(page.messages[2].id, { text: "two!" }), "second!");
    expect(await application.conversation()).toEqual(["one", "first", "two!", "second!"]);

    await application.answered(4, page.turns.regenerate(page.messages[1].id), "first again");
    expect(await application.conversation()).toEqual(["one", "first again"]);
    expect(page.messages.map(wordsOf)).toEqual(["one", "first again"]);
  });

  test("a message that never reached the server can be edited", async () => {
    const application = open();
    const page = await application.openPage();
    application.network.isDown = true;
    await page.sendMessage({ text: "one" });
    application.network.isDown = false;
    await application.answered(0, page.turns.edit(page.messages[0].id, { text: "one!" }), "first");
    expect(await application.conversation()).toEqual(["one!", "first"]);

    application.network.isDown = true;
    await page.sendMessage({ text: "two" });
    application.network.isDown = false;
    await application.answered(1, page.turns.edit(page.messages[2].id, { text: "two!" }), "second");
    expect(await application.conversation()).toEqual(["one!", "first", "two!", "second"]);
  });

  test("regenerating any of several answers to one message drops all of them", async () => {
    const application = open();
    const page = await afterOneTurn(application);
    await application
      .sessions()
      .append(application.id, { id: "a2", role: "assistant", parts: [{ type: "text", text: "more" }] });
    const reloaded = await application.openPage();
    await application.answered(1, reloaded.turns.regenerate("a2"), "again");
    expect(await application.conversation()).toEqual(["one", "again"]);
    expect(reloaded.messages.map(wordsOf)).toEqual(["one", "again"]);
    await expect(reloaded.turns.regenerate("none")).rejects.toThrow(RangeError);
    await expect((await application.openPage([])).turns.retry()).rejects.toThrow(RangeError);
    expect(page.messages).toHaveLength(2);
  });

  test.each([
    ["send", (page) => page.sendMessage({ text: "late" })],
    ["edit", (page) => page.turns.edit(page.messages[0].id, { text: "late" })],
    ["regenerate", (page) => page.turns.regenerate(page.messages[1].id)],
    ["plain regenerate", (page) => page.regenerate()],
    // biome-ignore lint/suspicious/noExplicitAny: a page of any version
  ] as [string, (page: any) => Promise<void>][])(
    "a tab that is not up to date changes nothing: %s",
    async (_, act) => {
      const application = open();
      const page = await afterOneTurn(application);
      const stale = await application.openPage();
      const sent = page.sendMessage({ text: "two" });
      (await application.reply(1)).says("second");
      await sent;
      await application.stored(1);
      const before = await application.sessions().get(application.id);

      await act(stale);
      expect(errorCode(stale.error)).toBe("conflict");
      expect(application.statuses.at(-1)).toBe(409);
      expect(await application.sessions().get(application.id)).toEqual(before);
    },
  );

  test("a session that was deleted while its answer streamed stays deleted", async () => {
    const application = open();
    const page = await application.openPage();
    const sent = page.sendMessage({ text: "one" });
    const reply = await application.reply(0);
    await application.sessions().delete(application.id);
    reply.says("first");
    await sent;
    expect(await application.stored(0)).toBeNull();
    expect(await application.sessions().get(application.id)).toBeNull();
  });

  test("what is changed of the session while an answer streams does not cost it", async () => {
    const application = open();
    const page = await application.openPage();
    const sent = page.sendMessage({ text: "one" });
    const reply = await application.reply(0);
    await application.sessions().mergeMetadata(application.id, { title: "renamed" });
    await application.sessions().setPhase(application.id, "review");
    reply.says("first");
    await sent;
    await application.stored(0);
    expect(await application.conversation()).toEqual(["one", "first"]);
  });

  test.each(["edit", "regenerate"])(
    "an answer to a question that another tab took over (%s) is dropped",
    async (how) => {
      const application = open();
      const page = await application.openPage();
      const slow = page.sendMessage({ text: "one" });
      const late = await application.reply(0);
      late.begin();
      const other = await application.openPage();
      const taken =
        how === "edit" ? other.turns.edit(other.messages[0].id, { text: "one!" }) : other.turns.retry();
      const current = await application.reply(1);
      late.words("late");
      late.end();
      await slow;
      expect(await application.stored(0)).toBeNull();
      current.says("current");
      await taken;
      await application.stored(1);
      expect(await application.conversation()).toEqual([how === "edit" ? "one!" : "one", "current"]);
    },
  );

  test("a tool call and its result are stored with the answer", async () => {
    const application = open();
    const page = await application.openPage();
    const sent = page.sendMessage({ text: "one" });
    (await application.reply(0)).call("weather");
    (await application.reply(1)).says("fair");
    await sent;
    await application.stored(0);
    const answer = (await application.storedMessages())[1] as JourneyMessage;
    expect(answer.parts).toContainEqual(
      expect.objectContaining({ type: "tool-weather", state: "output-available", output: "fair in Lyon" }),
    );
    expect(wordsOf(answer)).toBe("fair");
  });

  test("if an answer cannot be stored completely, the page and the waiting code get the error", async () => {
    const application = open();
    const page = await application.openPage();
    const sent = page.sendMessage({ text: "one" });
    const reply = await application.reply(0);
    reply.says("x".repeat(9_000_000));
    await sent;
    await expect(application.stored(0)).rejects.toMatchObject({ code: "too_large" });
    expect(page.status).toBe("error");
    const [, answer] = await application.storedMessages();
    expect(interruption(answer as JourneyMessage)).toBe("failed");
    expect(wordsOf(answer as JourneyMessage)).toMatch(/^x{1000}/);
  });
});
