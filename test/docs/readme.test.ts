import { expect, it } from "vitest";
import { blocksOf, readDocument } from "../support/markdown.js";
import { typescriptBlocks } from "../support/typescript-blocks.js";

const readme = readDocument("README.md");

it("README can be read in one sitting, and begins with what runs without a server", () => {
  expect(readme.split("\n").length).toBeLessThanOrEqual(251);
  const [first] = blocksOf(readme);
  expect(first?.value).toContain("npm ci && npm run demo ");
  expect(first?.value).toContain("npm ci && npm test ");
});

const typescript = typescriptBlocks(["README.md"]);

/** Sends a question as the page does, with a model that greets, and then shows what the page would show. */
const TURN = `
import { customProvider, simulateReadableStream } from "ai";
import { MockLanguageModelV3 } from "ai/test";
import { turnRequest } from "@aigos/journey-db/ai-sdk";
import { POST } from "./app/api/chat/[id]/route.ts";
import Page from "./app/chat/[id]/page.tsx";

const usage = { inputTokens: { total: 1 }, outputTokens: { total: 1 } };
const chunks = [
  { type: "stream-start", warnings: [] },
  { type: "text-start", id: "t" },
  { type: "text-delta", id: "t", delta: "Hi there" },
  { type: "text-end", id: "t" },
  { type: "finish", finishReason: { unified: "stop" }, usage },
];
const model = new MockLanguageModelV3({ doStream: async () => ({ stream: simulateReadableStream({ chunks }) }) });
globalThis.AI_SDK_DEFAULT_PROVIDER = customProvider({ languageModels: { "openai/gpt-5": model } });

const id = crypto.randomUUID();
const question = { id: "m1", role: "user", parts: [{ type: "text", text: "Hello" }] };
const { body } = await turnRequest({ id, messages: [question], trigger: "submit-message" });
const headers = { "content-type": "application/json" };
const request = new Request("http://localhost", { method: "POST", headers, body: JSON.stringify(body) });
const params = Promise.resolve({ id });
const response = await POST(request, { params });
await response.text();
const { props } = await Page({ params });
console.log(JSON.stringify({ status: response.status, shown: props.stored.map(({ role, parts }) => [role, parts.find(({ text }) => text).text]) }));
process.exit();
`;

it("the chat in README stores a question and its answer, and its page shows both", async () => {
  const output = await typescript.runIn("README.md", TURN);
  expect(JSON.parse(output)).toEqual({
    status: 200,
    shown: [
      ["user", "Hello"],
      ["assistant", "Hi there"],
    ],
  });
}, 120_000);
