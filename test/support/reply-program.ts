/**
 * A server that produces one durable reply, in a process of its own: `reply-program.ts URL OWNER SESSION QUESTION HOLD`. The
 * model says numbered words, calls a tool after some of them if HOLD is "tool", and ends. Prints "word N" for each word,
 * "written N" when all words up to that one are written, and "held" where it waits to be killed:
 *
 * - "never" and "words": nowhere; with "words" the model never ends
 * - "tool": in the tool call
 * - "store": before the answer is stored; "stored": after that; "end": before the end is written
 */
import { setTimeout as delay } from "node:timers/promises";
import { convertToModelMessages, stepCountIs, streamText, tool } from "ai";
import { MockLanguageModelV3 } from "ai/test";
import * as z from "zod";
import { startTurn, turnRequest } from "../../src/ai-sdk.js";
import { connect } from "../../src/connection/connect.js";
import { journeyReplies } from "../../src/durable-replies/declared.js";
import type { JourneyMessage } from "../../src/messages.js";
import type { Replies } from "../../src/sessions/replies.js";
import { IN_ROWS } from "./layout.js";

const { defineJourney } = (await import(
  IN_ROWS ? "./in-rows.js" : "../../src/index.js"
)) as typeof import("../../src/index.js");
const [url = "", owner = "", id = "", question = "", hold = "never"] = process.argv.slice(2);
const { db, close } = await connect({ url });
const sessions = defineJourney({ replies: journeyReplies }).forUser(db, owner);
const { replies } = sessions as { replies: Replies };

const say = (line: string) => void process.stdout.write(`${line}\n`);
const held = () => {
  say("held");
  return new Promise<never>(() => {});
};
let words = 0;
const observed: typeof sessions = {
  ...sessions,
  replies: {
    ...replies,
    async write(id, replyId, batch) {
      if (hold === "end" && batch.state === "ended") return held();
      const last = [...batch.chunks.matchAll(/"delta":" (\d+)"/g)].at(-1)?.[1];
      const done = await replies.write(id, replyId, batch);
      if (last) say(`written ${last}`);
      return done;
    },
  },
  // biome-ignore lint/suspicious/noExplicitAny: any message
  async append(...given: any[]): Promise<any> {
    const isAnswer = (Array.isArray(given[1]) ? given[1][0] : given[1]).role === "assistant";
    if (hold === "store" && isAnswer) return held();
    const done = await (sessions.append as (...given: unknown[]) => Promise<unknown>)(...given);
    return hold === "stored" && isAnswer ? held() : done;
  },
};

const WORDS = 120;
const none = { total: 0, noCache: 0, cacheRead: 0, cacheWrite: 0, text: 0, reasoning: 0 };
const model = new MockLanguageModelV3({
  doStream: async ({ prompt, abortSignal }) => ({
    stream: new ReadableStream({
      async start(controller) {
        abortSignal?.addEventListener("abort", () => controller.error(abortSignal.reason));
        const isSecond = prompt.at(-1)?.role === "tool";
        controller.enqueue({ type: "stream-start", warnings: [] });
        controller.enqueue({ type: "text-start", id: "t" });
        for (let n = 0; hold === "words" || n < WORDS / (hold === "never" ? 1 : 4); n++) {
          if (abortSignal?.aborted) return;
          controller.enqueue({ type: "text-delta", id: "t", delta: ` ${++words}` });
          say(`word ${words}`);
          await delay(5);
        }
        controller.enqueue({ type: "text-end", id: "t" });
        const calls = hold === "tool" && !isSecond;
        if (calls) {
          const call = { toolCallId: "call-1", toolName: "wait", input: "{}" };
          controller.enqueue({ type: "tool-call", ...call });
        }
        const finishReason = { unified: calls ? ("tool-calls" as const) : ("stop" as const), raw: undefined };
        controller.enqueue({
          type: "finish",
          finishReason,
          usage: { inputTokens: none, outputTokens: none },
        });
        controller.close();
      },
    }),
  }),
});

const message = { id: question, role: "user", parts: [{ type: "text", text: question }] };
const { messages = [] } = (await sessions.get(id)) ?? {};
const request = new Request("http://application/api", {
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify(turnRequest({ messages: [...messages, message] as JourneyMessage[], body: {} }).body),
});
const turn = await startTurn(observed, id, request, { durable: true });
const result = streamText({
  model,
  tools: { wait: tool({ inputSchema: z.object({}), execute: async (): Promise<string> => held() }) },
  stopWhen: stepCountIs(2),
  messages: await convertToModelMessages(turn.messages, { ignoreIncompleteToolCalls: true }),
  abortSignal: turn.signal,
  onError: () => {},
});
const response = result.toUIMessageStreamResponse(turn.response as never);
await response.text();
await turn.stored;
say("done");
await close();
