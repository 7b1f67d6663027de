import { expect, it } from "vitest";
import { typescriptBlocks } from "../support/typescript-blocks.js";

const typescript = typescriptBlocks(["docs/durable-replies.md"]);

/** Calls the page's route handlers as its pages do, with a model that greets, and says the rest when it is told to. */
const CHAT = `
import { customProvider } from "ai";
import { MockLanguageModelV3 } from "ai/test";
import { turnRequest } from "@aigos/journey-db/ai-sdk";
import { GET as stored, POST } from "./app/api/chat/[id]/route.ts";
import { GET as resume, DELETE } from "./app/api/chat/[id]/stream/route.ts";
import { GET as events } from "./app/api/chat/[id]/events/route.ts";

const usage = { inputTokens: { total: 1 }, outputTokens: { total: 1 } };
let goOn;
const doStream = async ({ abortSignal }) => ({
  stream: new ReadableStream({
    async start(controller) {
      const said = new Promise((resolve) => (goOn = resolve));
      abortSignal.addEventListener("abort", () => controller.error(abortSignal.reason));
      controller.enqueue({ type: "stream-start", warnings: [] });
      controller.enqueue({ type: "text-start", id: "t" });
      controller.enqueue({ type: "text-delta", id: "t", delta: "Hi" });
      await said;
      controller.enqueue({ type: "text-delta", id: "t", delta: " there" });
      controller.enqueue({ type: "text-end", id: "t" });
      controller.enqueue({ type: "finish", finishReason: { unified: "stop" }, usage });
      controller.close();
    },
  }),
});
globalThis.AI_SDK_DEFAULT_PROVIDER = customProvider({ languageModels: { "openai/gpt-5": new MockLanguageModelV3({ doStream }) } });

const id = crypto.randomUUID();
const context = { params: Promise.resolve({ id }) };
const question = (id) => ({ id, role: "user", parts: [{ type: "text", text: "Hello" }] });
const send = async (messages) => {
  const { body } = await turnRequest({ id, messages, trigger: "submit-message" });
  const headers = { "content-type": "application/json" };
  return POST(new Request("http://localhost", { method: "POST", headers, body: JSON.stringify(body) }), context);
};
const deltas = (text) => [...text.matchAll(/"delta":"([^"]*)"/g)].map(([, delta]) => delta).join("");
const until = async (response, text) => {
  let read = "";
  for await (const bytes of response.body) if ((read += new TextDecoder().decode(bytes)).includes(text)) return read;
  return read;
};
const messages = async () => (await (await stored(new Request("http://localhost"), context)).json()).messages;

const none = await resume(new Request("http://localhost/stream?after="), context);
const first = await send([question("m1")]);
await first.body.cancel(); // the tab is closed
const followed = await until(await resume(new Request("http://localhost/stream?after=m1"), context), "Hi");
const ended = new AbortController();
const event = await until(await events(new Request("http://localhost", { signal: ended.signal }), context), "}");
ended.abort();
const second = await send([question("m1"), question("m2")]);
goOn();
const whole = await (await resume(new Request("http://localhost/stream?after=m1"), context)).text();
const [, answer] = await messages();
await send([question("m1"), answer, question("m3")]);
const again = await until(await resume(new Request("http://localhost/stream?after=m3"), context), "Hi");
const stopped = await (await DELETE(new Request("http://localhost"), context)).json();
const end = await (await resume(new Request("http://localhost/stream?after=m3"), context)).text();
const last = (await messages()).at(-1);
console.log(JSON.stringify({
  none: none.status, first: first.status, followed: deltas(followed), event: typeof JSON.parse(event.slice(6)).replyId,
  second: second.status, whole: deltas(whole), answer: answer.parts.at(-1).text,
  again: deltas(again), stopped, isDone: end.endsWith("data: [DONE]\\n\\n"), last: [last.role, last.parts.at(-1).text, last.metadata],
}));
process.exit();
`;

it("the route handlers of durable-replies.md resume, refuse a second turn, stop and tell of changes", async () => {
  expect(JSON.parse(await typescript.runIn("docs/durable-replies.md", CHAT))).toEqual({
    none: 204,
    first: 200,
    followed: "Hi",
    event: "string",
    second: 409,
    whole: "Hi there",
    answer: "Hi there",
    again: "Hi",
    stopped: true,
    isDone: true,
    last: ["assistant", "Hi", { interrupted: "stopped" }],
  });
}, 120_000);
