import type { LanguageModelV3CallOptions, LanguageModelV3StreamPart } from "@ai-sdk/provider";
import { MockLanguageModelV3, simulateReadableStream } from "ai/test";

const TEXT = "text";
const THOUGHT = "thought";

const usage = {
  inputTokens: { total: 0, noCache: 0, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 0, text: 0, reasoning: 0 },
};

/** Words, each with the white space that follows it, as a model sends them. */
const words = (text: string): string[] => text.match(/\S+\s*/g) ?? [];

const say = (text: string): LanguageModelV3StreamPart[] => [
  { type: "text-start", id: TEXT },
  ...words(text).map((delta) => ({ type: "text-delta" as const, id: TEXT, delta })),
  { type: "text-end", id: TEXT },
];

const think = (text: string): LanguageModelV3StreamPart[] => [
  { type: "reasoning-start", id: THOUGHT },
  ...words(text).map((delta) => ({ type: "reasoning-delta" as const, id: THOUGHT, delta })),
  { type: "reasoning-end", id: THOUGHT },
];

const finish = (reason: "stop" | "tool-calls"): LanguageModelV3StreamPart => ({
  type: "finish",
  finishReason: { unified: reason, raw: undefined },
  usage,
});

const failure: LanguageModelV3StreamPart = {
  type: "error",
  error: new Error("The scripted model fails here."),
};

const PLAIN = `Happy to help. Nothing you write here leaves this machine: the replies are prepared, and they are stored like any other.

Ask me to think about something, for the weather, for a table, for a long story, or to fail half-way, and look at what is in the row afterwards.`;

const PLAN = `Saturday for the old town: the covered market in the morning, the traboules of Croix-Rousse after lunch, dinner in a bouchon.

Sunday for the rivers: along the Rhône to the Parc de la Tête d'Or, then the museum at the Confluence, whose roof has the best view of where the Saône joins in.`;

const THOUGHTS = `Two days, so one theme a day. The market closes at two on Sundays, which puts it on Saturday. The museum is far from the old town, so it goes with the walk along the river.`;

const WEATHER =
  "It is 21 degrees in Lyon under a clear sky, with a light wind from the north. A good evening to sit outside.";

const BOOKED = "The table is booked, for two, at eight. The reference is above.";

const NOT_BOOKED = "As you like: nothing is booked.";

const PARAGRAPH = `The ferryman counted the lamps on the far bank every evening, and every evening there were eleven. On the day there were twelve he tied the boat, put the kettle on, and waited for whoever had come so far to ask for the crossing. Nobody called. In the morning the twelfth lamp was still burning, small and steady, a little apart from the rest.`;

const STORY = Array.from({ length: 10 }, (_, n) => `${n + 1}. ${PARAGRAPH}`).join("\n\n");

/** The user's last message in lower case. */
function questionOf(prompt: LanguageModelV3CallOptions["prompt"]): string {
  const question = prompt.findLast(({ role }) => role === "user");
  if (typeof question?.content !== "object") return "";
  return question.content
    .map((part) => (part.type === "text" ? part.text : ""))
    .join(" ")
    .toLowerCase();
}

/** Questions whose reply failed once. */
const failed = new Set<string>();

/** Whether this reply fails: with "once" in the question, only the first. */
function fails(question: string): boolean {
  if (!question.includes("fail") || failed.has(question)) return false;
  if (question.includes("once")) failed.add(question);
  return true;
}

const call = (toolName: string, input: object): LanguageModelV3StreamPart[] => [
  { type: "tool-call", toolCallId: crypto.randomUUID(), toolName, input: JSON.stringify(input) },
  finish("tool-calls"),
];

/** The result of a tool, if it is the last message of the prompt. */
function toolResultOf(prompt: LanguageModelV3CallOptions["prompt"]) {
  const last = prompt.at(-1);
  const result = last?.role === "tool" ? last.content.find(({ type }) => type === "tool-result") : undefined;
  return result?.type === "tool-result" ? result.output : undefined;
}

/** The reply to the user's last message. */
function replyTo(prompt: LanguageModelV3CallOptions["prompt"]): LanguageModelV3StreamPart[] {
  const question = questionOf(prompt);
  const found = toolResultOf(prompt);
  if (question.includes("book")) {
    if (!found) return call("book", { restaurant: "Chez Hortense", people: 2 });
    if (fails(question)) return [failure];
    return [...say(found.type === "execution-denied" ? NOT_BOOKED : BOOKED), finish("stop")];
  }
  if (fails(question)) return question.includes("early") ? [failure] : [...say(PLAIN).slice(0, 12), failure];
  const thinks = /think|reason/.test(question);
  if (question.includes("weather")) {
    if (found) return [...say(WEATHER), ...(thinks ? say(PLAN) : []), finish("stop")];
    return [...(thinks ? think(THOUGHTS) : []), ...call("weather", { city: "Lyon" })];
  }
  if (thinks) return [...think(THOUGHTS), ...say(PLAN), finish("stop")];
  return [...say(question.includes("long") ? STORY : PLAIN), finish("stop")];
}

/** Streams scripted replies word by word, without a key or a network. */
export const scriptedModel = new MockLanguageModelV3({
  provider: "scripted",
  modelId: "scripted",
  doStream: async ({ prompt }) => {
    const question = questionOf(prompt);
    return {
      stream: simulateReadableStream<LanguageModelV3StreamPart>({
        initialDelayInMs: /\bslow\b/.test(question) ? 5000 : 300,
        // The long story takes 16 seconds.
        chunkDelayInMs: question.includes("slowly") ? 60 : question.includes("long") ? 25 : 10,
        chunks: [{ type: "stream-start", warnings: [] }, ...replyTo(prompt)],
      }),
    };
  },
});
