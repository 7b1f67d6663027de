import type { MessageShape } from "../messages.js";
import { type Interruption, stateOf } from "./interruption.js";
import { hasItemId } from "./parts.js";

/** What the AI SDK tells at the end of an answer, as far as v5, v6 or v7 has it. */
export interface Ending {
  responseMessage: MessageShape;
  isAborted: boolean;
  finishReason?: string | undefined;
}

/** What a model says that came to its end. Of other reasons ("other", "unknown") each provider has its own idea. */
const WHOLE = new Set<unknown>(["stop", "tool-calls"]);
/** The model failed, or reached its token limit, or was made to stop. */
const CUT_OFF = new Set<unknown>(["error", "length", "content-filter"]);

/** How an answer was interrupted, or undefined where it is whole. */
export function interruptionOf({ responseMessage: { parts }, ...ending }: Ending): Interruption | undefined {
  if (ending.isAborted) return "stopped";
  const { finishReason } = ending;
  const states = parts.map(stateOf);
  // Some models leave a text open, and say that they are done. But an input of a tool that is not whole is none.
  if (states.includes("input-streaming")) return "failed";
  if (WHOLE.has(finishReason)) return undefined;
  // Early versions of v5 tell no reason at all.
  if (CUT_OFF.has(finishReason) || states.includes("streaming")) return "failed";
  if (!("finishReason" in ending)) return undefined;
  // The reason is missing where the stream broke off. A provider that keeps its responses says how they end.
  const lastStep = parts.slice(parts.findLastIndex(({ type }) => type === "step-start") + 1);
  return finishReason === undefined || lastStep.some(hasItemId) ? "failed" : undefined;
}
