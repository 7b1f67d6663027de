import type { MessageShape } from "../messages.js";
import { interruption, stateOf } from "./interruption.js";
import { hasItemId, withoutItemId } from "./parts.js";
import { isCall, isDecided, isFinal, type Part } from "./tool-answers.js";

const isReasoning = ({ type }: Part): boolean => type.startsWith("reasoning");

const TEXTS: Record<string, readonly string[]> = {
  text: ["text"],
  reasoning: ["text"],
  file: ["mediaType", "url"],
  "dynamic-tool": ["toolCallId", "toolName"],
};

/** Whether the part has what the AI SDK reads of it: an older program, or a request that was not checked, may have left others. */
function isReadable(part: Part): boolean {
  const texts = TEXTS[part.type] ?? (isCall(part) ? ["toolCallId"] : []);
  return texts.every((key) => typeof (part as Record<string, unknown>)[key] === "string");
}

/** Whether a provider is sent something for the part that can stand at the end of an answer. */
function saysSomething(part: Part): boolean {
  if (part.type === "text") return hasItemId(part) || (part as { text?: string }).text?.trim() !== "";
  // Of a provider's own notes those count that it knows by an id.
  if (part.type === "custom") return hasItemId(part);
  return !isReasoning(part) && !/^(step-start|source-.*|data-.*)$/.test(part.type);
}

/** Whether a text is one that Anthropic refuses, as a page sends it beside files. */
const isBlank = (part: Part): boolean => part.type === "text" && !saysSomething(part);

/** A part of a response that never completed. Nothing of it where it is no more than an id of the provider's, or nothing without. */
function partOfBroken(part: Part): Part[] {
  if (part.providerExecuted === true) return [];
  if (!hasItemId(part)) return [part];
  return part.type === "text" || isCall(part) ? [withoutItemId(part)] : [];
}

/** The parts of each step of a model, with the mark that begins it. */
function stepsOf(parts: readonly Part[]): Part[][] {
  const steps: Part[][] = [[]];
  for (const part of parts) {
    if (part.type === "step-start") steps.push([]);
    steps.at(-1)?.push(part);
  }
  return steps;
}

/** @param mayRun whether calls that were decided on are about to run */
function stepForModel(step: readonly Part[], isBroken: boolean, mayRun: boolean): Part[] {
  const answered = step.filter((part) => !isCall(part) || isFinal(part) || (mayRun && isDecided(part)));
  // Without one of its calls a response is no longer the one that the provider knows.
  const isWhole =
    !isBroken && answered.length === step.length && !step.some((part) => stateOf(part) === "streaming");
  const known = isWhole ? answered : answered.flatMap(partOfBroken);
  const said = known.filter((part) => !isBlank(part));
  const last = said.findLastIndex(saysSomething);
  return said.filter((part, place) => !isReasoning(part) || place < last);
}

/**
 * The conversation as every provider takes it, whatever happened to its answers. Left out of them is
 * what a provider refuses, at each later turn: reasoning that nothing follows (OpenAI wants the item after it,
 * Anthropic no message of reasoning alone), tool calls without a result, the ids of a response that never
 * completed, texts and messages that are empty, parts that are none.
 *
 * @param goesOn whether the last message is an answer that the model goes on with
 */
export function forModel<Message extends MessageShape>(
  messages: readonly Message[],
  goesOn: boolean,
): Message[] {
  return messages.flatMap((message, place) => {
    const isLast = place === messages.length - 1;
    const readable = message.parts.filter(isReadable);
    if (message.role !== "assistant") {
      const parts = readable.filter((part) => !isBlank(part));
      if (parts.length > 0) return [{ ...message, parts }];
      return isLast ? [message] : [];
    }
    const steps = stepsOf(readable);
    const isInterrupted = interruption(message) !== undefined;
    const parts = steps.flatMap((step, n) => {
      const isLastStep = n === steps.length - 1;
      return stepForModel(step, isInterrupted && isLastStep, goesOn && isLast && isLastStep);
    });
    // Data parts are for the application to convert, of a whole answer. AI SDK 4 sent its data to no model.
    const isConverted = !isInterrupted && !(message.metadata as { aiSdk4?: unknown } | undefined)?.aiSdk4;
    const isForModel = (part: Part) => saysSomething(part) || (isConverted && part.type.startsWith("data-"));
    return parts.some(isForModel) ? [{ ...message, parts }] : [];
  });
}
