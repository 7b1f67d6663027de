import type { MessageShape } from "../messages.js";
import { interruption } from "./interruption.js";
import {
  hasItemId,
  isCall,
  isDecided,
  isFinal,
  isStepStart,
  type Part,
  stateOf,
  withoutItemId,
} from "./parts.js";

const isReasoning = ({ type }: Part): boolean => type.startsWith("reasoning");

const TEXTS: Record<string, readonly string[]> = {
  text: ["text"],
  reasoning: ["text"],
  file: ["mediaType", "url"],
  "dynamic-tool": ["toolCallId", "toolName"],
};

/** Whether the part has the fields that the AI SDK reads: another program may have stored parts without them. */
function isReadable(part: Part): boolean {
  const texts = TEXTS[part.type] ?? (isCall(part) ? ["toolCallId"] : []);
  return texts.every((key) => typeof (part as Record<string, unknown>)[key] === "string");
}

/** Whether a provider is sent something for the part, and accepts it at the end of an answer. */
function saysSomething(part: Part): boolean {
  if (part.type === "text") return hasItemId(part) || (part as { text?: string }).text?.trim() !== "";
  // A provider's own note, if the provider knows it by an id.
  if (part.type === "custom") return hasItemId(part);
  return !isReasoning(part) && !isStepStart(part) && !/^(source|data)-/.test(part.type);
}

/** A text without content, which pages send with files and Anthropic refuses. */
const isBlank = (part: Part): boolean => part.type === "text" && !saysSomething(part);

/** What to send of a part of a response that never completed: nothing if it needs the id by which the provider knew it. */
function partOfBroken(part: Part): Part[] {
  if (part.providerExecuted === true) return [];
  if (!hasItemId(part)) return [part];
  return part.type === "text" || isCall(part) ? [withoutItemId(part)] : [];
}

/** The parts of each step of the model, including the part that starts it. */
function stepsOf(parts: readonly Part[]): Part[][] {
  const steps: Part[][] = [[]];
  for (const part of parts) {
    if (isStepStart(part)) steps.push([]);
    steps.at(-1)?.push(part);
  }
  return steps;
}

/** @param mayRun whether calls that were approved or denied run now */
function stepForModel(step: readonly Part[], isBroken: boolean, mayRun: boolean): Part[] {
  const answered = step.filter((part) => !isCall(part) || isFinal(part) || (mayRun && isDecided(part)));
  // Without one of its calls a response is not the one that the provider knows.
  const isWhole =
    !isBroken && answered.length === step.length && !step.some((part) => stateOf(part) === "streaming");
  const known = isWhole ? answered : answered.flatMap(partOfBroken);
  const said = known.filter((part) => !isBlank(part));
  const last = said.findLastIndex(saysSomething);
  return said.filter((part, place) => !isReasoning(part) || place < last);
}

/**
 * The conversation in a form that every provider accepts. It leaves out what a provider would refuse in each
 * later turn: reasoning that nothing follows (OpenAI expects an item after it, and Anthropic refuses
 * a message that contains only reasoning), tool calls without a result, the ids of a response that never
 * completed, empty texts and messages, and invalid parts.
 *
 * @param isContinued whether the last message is an answer that the model continues
 */
export function forModel<Message extends MessageShape>(
  messages: readonly Message[],
  isContinued: boolean,
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
      return stepForModel(step, isInterrupted && isLastStep, isContinued && isLast && isLastStep);
    });
    // The application converts the data parts of a complete answer. AI SDK 4 sent its data to no model.
    const isConverted = !isInterrupted && !(message.metadata as { aiSdk4?: unknown } | undefined)?.aiSdk4;
    const isForModel = (part: Part) => saysSomething(part) || (isConverted && part.type.startsWith("data-"));
    return parts.some(isForModel) ? [{ ...message, parts }] : [];
  });
}
