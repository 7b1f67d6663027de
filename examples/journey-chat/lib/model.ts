import "server-only";
import { type LanguageModel, tool } from "ai";
import * as z from "zod";
import { scriptedModel } from "./scripted-model";

/** A model of the AI Gateway if there is a key, otherwise scripted replies. */
export const model: LanguageModel = process.env.AI_GATEWAY_API_KEY
  ? (process.env.MODEL ?? "openai/gpt-5-mini")
  : scriptedModel;

export const tools = {
  weather: tool({
    description: "The weather in a city, now.",
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => ({ city, sky: "clear", celsius: 21, wind: "light, from the north" }),
  }),
  book: tool({
    description: "Books a table in a restaurant, once the user has agreed.",
    inputSchema: z.object({ restaurant: z.string(), people: z.number().int().min(1) }),
    needsApproval: true,
    execute: async ({ restaurant }) => ({ restaurant, reference: crypto.randomUUID().slice(0, 8) }),
  }),
};
