import { setImmediate } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import * as z from "zod";
import { interruption } from "../../src/ai-sdk.js";
import type { JourneyMessage } from "../../src/index.js";
import { migratedDatabase, openPostgresJs } from "../support/database.js";
import { openApplication, SDK_VERSIONS } from "./support/ai-chat.js";
import { openModel, PROVIDERS } from "./support/providers.js";

const LONG = process.env.LONG === "1";
const db = openPostgresJs(await migratedDatabase());

/** Waits until everything that was sent has reached the page: only streams are between the model and the page here. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 60; turn++) await setImmediate();
}

const ENDS = ["is stopped", "breaks off", "reaches the token limit", "ends early"] as const;
type End = (typeof ENDS)[number];

const textsOf = (message: JourneyMessage | undefined): string[] =>
  (message?.parts ?? []).flatMap(({ text }) => (text ? [text] : []));

describe.each(SDK_VERSIONS)("with %s", (version) => {
  describe.each(Object.keys(PROVIDERS))("and %s", (name) => {
    /** A chat whose tool runs until the test says so, or the page stops. */
    async function open() {
      const { model, provider, call } = openModel(name, version);
      let release = () => {};
      const held = new Promise<void>((resolve) => {
        release = resolve;
      });
      const runs = { of: 0 };
      const weather = {
        inputSchema: z.object({ city: z.string() }),
        execute: async () => {
          runs.of++;
          await held;
          return { sky: "clear" };
        },
      };
      const chat = openApplication(db, version, { model, tools: { weather } });
      return { chat, page: await chat.openPage(), provider, call, release, runs };
    }
    type Chat = Awaited<ReturnType<typeof open>>;

    /** The events of a first response that calls the tool, and of a second one after its result. */
    function responsesOf({ provider }: Pick<Chat, "provider">) {
      const [first, second] = [provider.script(1), provider.script(2)];
      return [
        [...first.think, ...first.say, ...first.call],
        [...second.think, ...second.say],
      ] as const;
    }

    /** Ends the running answer after `count` events of its nth response. */
    async function endAfter(chat: Chat, n: 0 | 1, count: number, end: End): Promise<void> {
      const sent = chat.page.sendMessage({ text: "What is the weather?" });
      const [first, second] = responsesOf(chat);
      const finish = chat.provider.script(1).finish;
      let call = await chat.call(0);
      if (n === 1) {
        call.send([...first, ...finish("tool-calls")]);
        call.end();
        chat.release();
        call = await chat.call(1);
      }
      call.send((n === 0 ? first : second).slice(0, count));
      await settled();
      if (end === "is stopped") await chat.page.stop();
      else if (end === "breaks off") call.breakOff();
      else {
        if (end === "reaches the token limit") call.send(finish("length"));
        call.end();
      }
      chat.release();
      await sent;
      await chat.chat.stored(0);
    }

    /** Why the provider would refuse what it is sent next, knowing the ids of these responses. */
    async function faultsOf(
      chat: Chat,
      calls: number,
      completed: string[],
      next = () => chat.page.sendMessage({ text: "Go on." }),
    ) {
      const sent = next();
      const call = await chat.call(calls);
      const faults = chat.provider.faultsOf(call.body, new Set(completed));
      call.send([...chat.provider.script(9).say, ...chat.provider.script(9).finish("stop")]);
      call.end();
      await sent;
      return faults;
    }

    const counts = responsesOf({ provider: PROVIDERS[name] as Chat["provider"] }).map(({ length }) => length);
    const turn = SDK_VERSIONS.indexOf(version);
    /** Every place in the long form; in the short one those of this version's turn, which takes each of them in one version. */
    const cuts = ([0, 1] as const)
      .flatMap((n) => Array.from({ length: (counts[n] ?? 0) + 1 }, (_, count) => ({ n, count })))
      .filter((_, place) => LONG || place % SDK_VERSIONS.length === turn);

    test.each(ENDS)("a chat goes on after an answer that %s, wherever that was", async (end) => {
      for (const { n, count } of cuts) {
        const chat = await open();
        await endAfter(chat, n, count, end);
        const [, answer] = await chat.chat.storedMessages();
        const shown = chat.page.messages[1];
        const where = `${n} ${count}`;
        expect([where, textsOf(answer)]).toEqual([where, textsOf(shown)]);
        // If the token limit is reached after a complete call, the tool runs and the model is asked again.
        const asked = n + 1 + Number(end !== "is stopped" && chat.chat.prompts.length > n + 1);
        expect([where, await faultsOf(chat, asked, n === 1 ? ["rs_1", "msg_1", "fc_1"] : [])]).toEqual([
          where,
          [],
        ]);
      }
    });

    test("so it does where a retry goes on from what its tool gave", async () => {
      for (const { n, count } of cuts) {
        const chat = await open();
        await endAfter(chat, n, count, "breaks off");
        const completed = n === 1 ? ["rs_1", "msg_1", "fc_1"] : [];
        const where = `${n} ${count}`;
        expect([where, await faultsOf(chat, n + 1, completed, () => chat.page.turns.retry())]).toEqual([
          where,
          [],
        ]);
        expect([where, await faultsOf(chat, n + 2, [...completed, "msg_9"])]).toEqual([where, []]);
        expect((await chat.chat.storedMessages()).filter(({ role }) => role === "user")).toHaveLength(2);
      }
    });

    test("and the tool runs once, where the second response had not begun to say anything", async () => {
      const chat = await open();
      // The first event of OpenAI and Anthropic announces the response.
      await endAfter(chat, 1, name === "Google" ? 0 : 1, "breaks off");
      await faultsOf(chat, 2, [], () => chat.page.turns.retry());
      expect(chat.runs.of).toBe(1);
    });

    test("nothing is stored of an answer that has not begun to say anything", async () => {
      const chat = await open();
      await endAfter(chat, 0, name === "Google" ? 0 : 1, "is stopped");
      expect(await chat.chat.storedMessages()).toHaveLength(1);
    });

    test("and after a call that the page never answered", async () => {
      const chat = await open();
      const sent = chat.page.sendMessage({ text: "Where am I?" });
      const { think, call, finish } = chat.provider.script(1);
      const first = await chat.call(0);
      const located = JSON.parse(JSON.stringify(call).replaceAll("weather", "locate"));
      first.send([...think, ...located, ...finish("tool-calls")]);
      first.end();
      await sent;
      await chat.chat.stored(0);
      expect(interruption((await chat.chat.storedMessages())[1] as JourneyMessage)).toBeUndefined();
      expect(await faultsOf(chat, 1, ["rs_1", "fc_1"])).toEqual([]);
    });

    test("an answer that reached the token limit is marked, even if it contains only reasoning", async () => {
      for (const more of [0, 2]) {
        const chat = await open();
        await endAfter(chat, 0, chat.provider.script(1).think.length + more, "reaches the token limit");
        const [, answer] = await chat.chat.storedMessages();
        expect(interruption(answer as JourneyMessage)).toBe("failed");
      }
    });

    test("and after messages of the user without a text", async () => {
      const chat = await open();
      const image = { type: "file", mediaType: "image/png", url: "data:image/png;base64,iVBORw0KGgo=" };
      await chat.chat.sessions().create({
        id: chat.chat.id,
        messages: [
          { id: "m1", role: "user", parts: [image, { type: "text", text: "" }] },
          { id: "a1", role: "assistant", parts: [{ type: "text", text: "An image." }] },
          { id: "m2", role: "user", parts: [{ type: "text", text: " " }] },
          { id: "a2", role: "assistant", parts: [{ type: "text", text: "Nothing." }] },
        ],
      });
      const page = await chat.chat.openPage();
      expect(await faultsOf(chat, 0, [], () => page.sendMessage({ text: "Go on." }))).toEqual([]);
      expect((await chat.chat.storedMessages())[0]?.parts).toHaveLength(2);
    });

    test("and after parts that are none, which were stored without a check", async () => {
      const chat = await open();
      const parts = [
        { type: "text", text: 7 },
        { type: "file", mediaType: "image/png" },
        { type: "reasoning" },
        { type: "tool-weather", state: "output-available", output: 1 },
        { type: "dynamic-tool", toolCallId: "c1", state: "output-available", input: {}, output: 1 },
        { type: "text", text: "Here." },
      ];
      await chat.chat.sessions().create({
        id: chat.chat.id,
        messages: [
          { id: "m1", role: "user", parts },
          { id: "a1", role: "assistant", parts },
        ],
      });
      const page = await chat.chat.openPage();
      expect(await faultsOf(chat, 0, [], () => page.sendMessage({ text: "Go on." }))).toEqual([]);
    });
  });
});
