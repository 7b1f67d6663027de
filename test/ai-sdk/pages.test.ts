import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { errorCode } from "../../src/ai-sdk.js";
import type { JourneyMessage } from "../../src/index.js";
import { migratedDatabase, openPostgresJs } from "../support/database.js";
import { openApplication, SDK_VERSIONS } from "./support/ai-chat.js";

const db = openPostgresJs(await migratedDatabase());

// biome-ignore lint/suspicious/noExplicitAny: a page of any version
type Page = any;

const said = (text: string, id: string = randomUUID()): JourneyMessage => ({
  id,
  role: "assistant",
  parts: [{ type: "text", text }],
});

const isUser = ({ role }: JourneyMessage) => role === "user";

/** Reads a stream until it contains this text. */
async function readUntil({ body }: Response, text: string): Promise<void> {
  const reader = body?.pipeThrough(new TextDecoderStream()).getReader();
  for (let read = ""; !read.includes(text); ) read += (await reader?.read())?.value ?? "";
}

describe.each(SDK_VERSIONS)("with %s", (version) => {
  const open = () => openApplication(db, version);
  type Chat = ReturnType<typeof open>;

  /** Sends a message and lets the nth reply of the model answer it. */
  const answered = (chat: Chat, page: Page, n: number, question: string, reply: string) =>
    chat.answered(n, page.sendMessage({ text: question }), reply);

  /** A page with `count` turns: "q0" and "r0", and so on. */
  async function afterTurns(count: number) {
    const chat = open();
    const page = await chat.openPage();
    for (let n = 0; n < count; n++) await answered(chat, page, n, `q${n}`, `r${n}`);
    return { chat, page };
  }

  describe("a page that stopped before anything of the answer reached it", () => {
    /** The page has only the question; the row has part of the answer, or all of it. */
    async function stoppedEarly(end: "stopped" | "whole" | "nothing yet", turns = 0) {
      const { chat, page } = await afterTurns(turns);
      const question = said("the question") as { role: string };
      question.role = "user";
      const request = { message: question, after: page.messages.at(-1)?.id ?? null };
      const abort = new AbortController();
      const response = await chat.handle(
        new Request("http://application/api", {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(request),
          signal: abort.signal,
        }),
      );
      const reply = await chat.reply(turns);
      page.messages = [...page.messages, question];
      if (end === "whole") reply.says("the answer");
      else {
        reply.part("half");
        // The server has it now; the page does not.
        await readUntil(response, "half");
        if (end === "stopped") abort.abort();
      }
      if (end !== "nothing yet") await chat.stored(turns);
      return { chat, page, reply };
    }

    test.each(["stopped", "whole", "nothing yet"] as const)("may send: %s", async (end) => {
      for (const turns of [0, 1]) {
        const { chat, page } = await stoppedEarly(end, turns);
        await answered(chat, page, turns + 1, "and now?", "so");
        expect(page.error).toBeUndefined();
        const words = (await chat.conversation()).slice(2 * turns);
        const answer = { stopped: ["half"], whole: ["the answer"], "nothing yet": [] }[end];
        expect(words).toEqual(["the question", ...answer, "and now?", "so"]);
      }
    });

    test.each([
      ["edit", (page: Page) => page.turns.edit(page.messages.at(-1).id, { text: "edited" })],
      ["retry", (page: Page) => page.turns.retry()],
      ["regenerate", (page: Page) => page.regenerate()],
      [
        "send in its place",
        (page: Page) => page.sendMessage({ text: "edited", messageId: page.messages.at(-1).id }),
      ],
    ] as const)("may %s, which replaces the answer", async (_, act) => {
      for (const end of ["stopped", "whole", "nothing yet"] as const)
        for (const turns of [0, 1]) {
          const { chat, page } = await stoppedEarly(end, turns);
          await chat.answered(turns + 1, act(page), "so");
          expect(page.error).toBeUndefined();
          expect((await chat.conversation()).slice(2 * turns)).toEqual([
            expect.stringMatching(/^(edited|the question)$/),
            "so",
          ]);
        }
    });
  });

  describe("what the page alone has is no reason to refuse", () => {
    test("a greeting on a new session", async () => {
      const chat = open();
      const page = await chat.openPage([said("Welcome!", "welcome")]);
      await answered(chat, page, 0, "one", "first");
      await answered(chat, page, 1, "two", "second");
      expect(await chat.conversation()).toEqual(["one", "first", "two", "second"]);
      expect((await chat.sessions().get(chat.id))?.metadata).toEqual({ title: "one" });
    });

    test("a greeting before a first message that is retried", async () => {
      const chat = open();
      const page = await chat.openPage([said("Welcome!", "welcome")]);
      const sent = page.sendMessage({ text: "one" });
      (await chat.reply(0)).fail();
      await sent;
      await chat.stored(0);
      await chat.answered(1, page.turns.retry(), "first");
      expect(await chat.conversation()).toEqual(["one", "first"]);
    });

    test("a greeting that is stored", async () => {
      const chat = open();
      await chat.sessions().create({ id: chat.id, messages: [said("Welcome!", "welcome")] });
      const page = await chat.openPage();
      await answered(chat, page, 0, "one", "first");
      expect(await chat.conversation()).toEqual(["Welcome!", "one", "first"]);
    });

    test.each([["notice"], [randomUUID()], ["x".repeat(300)], [""]])(
      "a notice between two turns: %s",
      async (id) => {
        const { chat, page } = await afterTurns(1);
        page.messages = [...page.messages, said("You are offline.", id)];
        await answered(chat, page, 1, "two", "second");
        page.messages = [...page.messages, said("You are online.", `${id}2`), said("Still.", `${id}3`)];
        await answered(chat, page, 2, "three", "third");
        await chat.answered(3, page.turns.regenerate(page.messages.at(-1).id), "third again");
        expect(await chat.conversation()).toEqual(["q0", "r0", "two", "second", "three", "third again"]);
      },
    );

    test.each([
      ["send", (page: Page) => page.sendMessage({ text: "so?" }), ["q0", "r0", "q1", "so?", "so"]],
      ["retry", (page: Page) => page.turns.retry(), ["q0", "r0", "q1", "so"]],
      ["regenerate", (page: Page) => page.regenerate(), ["q0", "r0", "q1", "so"]],
    ] as const)("a notice that a reply failed, and %s", async (_, act, conversation) => {
      const { chat, page } = await afterTurns(1);
      const sent = page.sendMessage({ text: "q1" });
      (await chat.reply(1)).fail();
      await sent;
      await chat.stored(1);
      page.messages = [...page.messages, said("It failed.", "notice")];
      await chat.answered(2, act(page), "so");
      expect(await chat.conversation()).toEqual(conversation);
    });

    test("messages that did not arrive, or were refused", async () => {
      const chat = open();
      const page = await chat.openPage();
      const lose = async (text: string) => {
        chat.network.isDown = true;
        await page.sendMessage({ text });
        chat.network.isDown = false;
      };
      await lose("lost");
      await answered(chat, page, 0, "one", "first");
      await lose("lost too");
      await page.sendMessage({ parts: [{ type: "file", mediaType: "image/png", url: "" }] });
      expect(chat.statuses.at(-1)).toBe(400);
      await answered(chat, page, 1, "two", "second");
      expect(await chat.conversation()).toEqual(["one", "first", "two", "second"]);
    });

    test.each([
      ["edit", (page: Page) => page.turns.edit(page.messages[0].id, { text: "q0!" })],
      ["regenerate", (page: Page) => page.turns.regenerate(page.messages[1].id)],
      [
        "send in its place",
        (page: Page) => page.sendMessage({ text: "q0!", messageId: page.messages[0].id }),
      ],
    ] as const)("what a request dropped that did not arrive: %s, and retry", async (_, act) => {
      const { chat, page } = await afterTurns(2);
      chat.network.isDown = true;
      await act(page);
      chat.network.isDown = false;
      expect(await chat.conversation()).toEqual(["q0", "r0", "q1", "r1"]);
      await chat.answered(2, page.turns.retry(), "so");
      expect(await chat.conversation()).toEqual([expect.stringMatching(/^q0!?$/), "so"]);
    });
  });

  describe("the page's own verbs", () => {
    test("regenerate() and sendMessage({ messageId }) replace what follows", async () => {
      const { chat, page } = await afterTurns(2);
      await chat.answered(2, page.regenerate(), "r1 again");
      expect(await chat.conversation()).toEqual(["q0", "r0", "q1", "r1 again"]);
      await chat.answered(3, page.sendMessage({ text: "q1!", messageId: page.messages[2].id }), "r1!");
      expect(await chat.conversation()).toEqual(["q0", "r0", "q1!", "r1!"]);
      await chat.answered(4, page.regenerate({ messageId: page.messages[1].id }), "r0 again");
      expect(await chat.conversation()).toEqual(["q0", "r0 again"]);
      await answered(chat, page, 5, "q2", "r2");
      await chat.answered(6, page.sendMessage({ text: "q0!", messageId: page.messages[0].id }), "r0!");
      expect(await chat.conversation()).toEqual(["q0!", "r0!"]);
      expect(chat.statuses.every((status) => status === 200)).toBe(true);
    });

    test("on a page that was just opened they replace the last turn", async () => {
      const { chat } = await afterTurns(2);
      const page = await chat.openPage();
      await chat.answered(2, page.regenerate(), "r1 again");
      const another = await chat.openPage();
      await chat.answered(3, another.sendMessage({ text: "q1!", messageId: another.messages[2].id }), "r1!");
      expect(await chat.conversation()).toEqual(["q0", "r0", "q1!", "r1!"]);
    });

    test("a message that never reached the server is stored by them", async () => {
      const { chat, page } = await afterTurns(1);
      chat.network.isDown = true;
      await page.sendMessage({ text: "q1" });
      chat.network.isDown = false;
      await chat.answered(1, page.regenerate(), "r1");
      expect(await chat.conversation()).toEqual(["q0", "r0", "q1", "r1"]);
      const fresh = open();
      const first = await fresh.openPage();
      fresh.network.isDown = true;
      await first.sendMessage({ text: "one" });
      fresh.network.isDown = false;
      await fresh.answered(0, first.sendMessage({ text: "one!", messageId: first.messages[0].id }), "first");
      expect(await fresh.conversation()).toEqual(["one!", "first"]);
    });

    test.each([
      ["regenerate()", (page: Page) => page.regenerate()],
      ["regenerate({ messageId })", (page: Page) => page.regenerate({ messageId: page.messages[1].id })],
      [
        "sendMessage({ messageId })",
        (page: Page) => page.sendMessage({ text: "late", messageId: page.messages[0].id }),
      ],
    ] as const)("a stale tab changes nothing by %s", async (_, act) => {
      // One has sent before, and one was just opened.
      for (const isOld of [true, false]) {
        const { chat, page } = await afterTurns(1);
        const other = await chat.openPage();
        const [stale, current] = isOld ? [page, other] : [other, page];
        await answered(chat, current, 1, "q1", "r1");
        const before = await chat.sessions().get(chat.id);
        await act(stale);
        await expect.poll(() => errorCode(stale.error)).toBe("conflict");
        expect(await chat.sessions().get(chat.id)).toEqual(before);
      }
    });
  });

  describe("a conversation that this package did not ask for", () => {
    /** A page with messages of another program. Their questions name no answer. */
    async function older() {
      const chat = open();
      const messages: JourneyMessage[] = [
        { id: "q0", role: "user", parts: [{ type: "text", text: "q0" }] },
        said("r0", "r0"),
      ];
      await chat.sessions().create({ id: chat.id, messages });
      return { chat, page: await chat.openPage() };
    }
    const acts: [string, (page: Page) => Promise<void>][] = [
      ["turnsOf's regenerate", (page) => page.turns.regenerate(page.messages.at(-1).id)],
      ["turnsOf's edit", (page) => page.turns.edit("q0", { text: "edited" })],
      ["regenerate()", (page) => page.regenerate()],
      ["sendMessage({ messageId })", (page) => page.sendMessage({ text: "edited", messageId: "q0" })],
    ];

    test.each(acts)("goes on after %s that failed, did not arrive or was answered", async (_, act) => {
      for (const end of ["fails", "is lost", "is answered"]) {
        const { chat, page } = await older();
        chat.network.isDown = end === "is lost";
        const asked = act(page);
        if (end === "fails") (await chat.reply(0)).fail();
        if (end === "is answered") (await chat.reply(0)).says("first");
        await asked;
        if (end !== "is lost") await chat.stored(0);
        chat.network.isDown = false;
        const next = end === "is answered" ? page.regenerate() : page.turns.retry();
        const n = end === "is lost" ? 0 : 1;
        await chat.answered(n, next, "so");
        await chat.answered(n + 1, page.turns.edit("q0", { text: "again" }), "and so");
        expect([end, await chat.conversation()]).toEqual([end, ["again", "and so"]]);
      }
    });

    test("and a tab does not replace there what another has regenerated", async () => {
      const { chat, page } = await older();
      const other = await chat.openPage();
      await chat.answered(0, other.turns.regenerate("r0"), "unseen");
      const before = await chat.sessions().get(chat.id);
      await page.turns.regenerate("r0");
      expect(errorCode(page.error)).toBe("conflict");
      expect(await chat.sessions().get(chat.id)).toEqual(before);
    });
  });

  test.each([
    ["retry", (page: Page) => page.turns.retry(), "lost"],
    ["edit", (page: Page) => page.turns.edit(page.messages.findLast(isUser).id, { text: "found" }), "found"],
  ] as const)(
    "a message that did not arrive can be sent by %s, with a notice behind it",
    async (_, act, text) => {
      for (const turns of [0, 1]) {
        const { chat, page } = await afterTurns(turns);
        chat.network.isDown = true;
        await page.sendMessage({ text: "lost" });
        chat.network.isDown = false;
        page.messages = [...page.messages, said("You are offline.", "notice")];
        await chat.answered(turns, act(page), "so");
        expect((await chat.conversation()).slice(2 * turns)).toEqual([text, "so"]);
      }
    },
  );

  test.each([
    ["regenerated it", (page: Page) => page.turns.regenerate(page.messages.at(-1).id)],
    ["edited its question", (page: Page) => page.turns.edit(page.messages.at(-2).id, { text: "edited" })],
  ] as const)(
    "an answer that another tab has, which %s, is replaced by none that does not show it",
    async (_, act) => {
      const acts: ((page: Page) => Promise<void>)[] = [
        (page) => page.regenerate(),
        (page) => page.regenerate({ messageId: page.messages.at(-1).id }),
        (page) => page.sendMessage({ text: "late", messageId: page.messages.at(-2).id }),
        (page) => page.turns.regenerate(page.messages.at(-1).id),
        (page) => page.turns.edit(page.messages.at(-2).id, { text: "late" }),
      ];
      for (const late of acts) {
        const { chat, page } = await afterTurns(2);
        const other = await chat.openPage();
        await chat.answered(2, act(other), "unseen");
        const before = await chat.sessions().get(chat.id);
        await late(page);
        await expect.poll(() => errorCode(page.error)).toBe("conflict");
        expect(await chat.sessions().get(chat.id)).toEqual(before);
      }
    },
  );

  test("nor is a question that another tab edited, by a tab that stopped before it was answered", async () => {
    const { chat, page } = await afterTurns(1);
    const sent = page.sendMessage({ text: "q1" });
    (await chat.reply(1)).fail();
    await sent;
    await chat.stored(1);
    const other = await chat.openPage();
    await chat.answered(2, other.turns.edit(other.messages[2].id, { text: "q1!" }), "unseen");
    const before = await chat.sessions().get(chat.id);
    await page.turns.retry();
    expect(errorCode(page.error)).toBe("conflict");
    expect(await chat.sessions().get(chat.id)).toEqual(before);
  });

  test("a default request is told what the transport lacks", async () => {
    const chat = open();
    const response = await chat.handle(
      new Request("http://application/api", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ id: chat.id, messages: [said("one")], trigger: "submit-message" }),
      }),
    );
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      message: expect.stringContaining("prepareSendMessagesRequest: turnRequest"),
    });
  });

  test("a text that a model leaves open at its end is whole", async () => {
    const chat = open();
    const page = await chat.openPage();
    const sent = page.sendMessage({ text: "one" });
    const reply = await chat.reply(0);
    reply.begin();
    reply.words("first");
    reply.stop();
    await sent;
    await chat.stored(0);
    const [, answer] = await chat.storedMessages();
    expect(answer?.metadata).toBeUndefined();
    expect(answer?.parts.at(-1)).toMatchObject({ type: "text", text: "first", state: "done" });
  });

  test("closing a tab loses nothing if the stream is created by createUIMessageStreamResponse", async () => {
    const chat = openApplication(db, version, {
      respond: (ai, result, response) =>
        ai.createUIMessageStreamResponse({
          stream:
            ai.toUIMessageStream?.({ stream: result.stream, ...response }) ??
            result.toUIMessageStream(response),
          consumeSseStream: response.consumeSseStream,
        }),
    });
    const response = await chat.handle(
      new Request("http://application/api", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ message: { ...said("one"), role: "user" }, after: null }),
      }),
    );
    await response.body?.cancel();
    (await chat.reply(0)).says("whole");
    await chat.stored(0);
    expect(await chat.conversation()).toEqual(["one", "whole"]);
    const [, answer] = await chat.storedMessages();
    expect(answer?.metadata).toBeUndefined();
  });
});
