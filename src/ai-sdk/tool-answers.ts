import * as z from "zod";
import type { MessageShape } from "../messages.js";
import { parse } from "../validation/parse.js";
import { interruption, markInterrupted } from "./interruption.js";
import { isContent, isDecided, isFinal, isStepStart, type Part, stateOf, withoutItemId } from "./parts.js";

/** What is stored of a part that answers a tool call. */
interface Answer {
  state: string;
  approval?: object;
}

/** What a page may answer to a tool call, by the state of the call. */
const ANSWERS = new Map<unknown, z.ZodType<Answer>>([
  [
    "input-available",
    z
      .object({
        state: z.enum(["output-available", "output-error"]),
        output: z.unknown().optional(),
        errorText: z.string().optional(),
      })
      .refine(({ state, errorText }) => state === "output-available" || errorText !== undefined, {
        path: ["errorText"],
        params: { expected: "string" },
      }),
  ],
  [
    "approval-requested",
    z.object({
      state: z.literal("approval-responded"),
      approval: z.object({ approved: z.boolean(), reason: z.string().optional() }),
    }),
  ],
]);
const ANSWER_KEYS = new Set(["state", "errorText", "approval", "approved", "reason"]);

const UNDER_WAY = new Set<unknown>(["input-streaming", "input-available", "approval-requested"]);

/** Whether the tool call waits for the page. One that the provider runs does not. */
const isWaiting = (part: Part): boolean =>
  typeof part.toolCallId === "string" &&
  (stateOf(part) === "approval-requested" ||
    (stateOf(part) === "input-available" && part.providerExecuted !== true));

/** The last step of the model that has content, and the index where it begins. */
function lastStepOf(parts: readonly Part[]): { step: readonly Part[]; start: number } {
  const said = parts.slice(0, parts.findLastIndex(isContent) + 1);
  const start = said.findLastIndex(isStepStart) + 1;
  return { step: said.slice(start), start };
}

/** Whether tool calls at the end of the message wait for the page, and none has been approved or denied. */
export function isOpen({ parts }: Pick<MessageShape, "parts">): boolean {
  const { step } = lastStepOf(parts);
  return step.some(isWaiting) && !step.some(isDecided);
}

/** Whether the page has answered the tool calls at the end of the message, and the model has not continued yet. */
export function isAnswered({ parts }: Pick<MessageShape, "parts">): boolean {
  const calls = lastStepOf(parts).step.filter(({ toolCallId }) => toolCallId !== undefined);
  return calls.length > 0 && calls.every((part) => isFinal(part) || isDecided(part));
}

/** Whether a model that failed can continue from the results of its tools. Not if a tool may have run and left no result. */
export function canContinue({ parts }: Pick<MessageShape, "parts">): boolean {
  const last = parts.findLast(isContent);
  return last !== undefined && isFinal(last) && !parts.some(isDecided);
}

/** A copy of the message with the page's answers to the tool calls that wait at its end; undefined if one has no answer. */
function withToolAnswers<Message extends MessageShape>(
  stored: Message,
  sent: readonly (Part | null)[],
): Message | undefined {
  // A call that was approved before may be running.
  if (!isOpen(stored)) return undefined;
  const { step, start } = lastStepOf(stored.parts);
  const answered = step.map((part) => {
    if (!isWaiting(part)) return part;
    // A provider may use an id again in a later step, and the page's copy ends with the same step.
    const index = sent.findLastIndex((one) => one?.toolCallId === part.toolCallId);
    const own = sent[index];
    if (!own || UNDER_WAY.has(stateOf(own))) return part;
    const schema = ANSWERS.get(stateOf(part)) as z.ZodType<Answer>;
    const { approval, ...answer } = parse(schema, own, `request.message.parts[${index}]`, ANSWER_KEYS);
    return { ...part, ...answer, ...(approval && { approval: { ...part.approval, ...approval } }) };
  });
  if (answered.some(isWaiting)) return undefined;
  return { ...stored, parts: [...stored.parts.slice(0, start), ...answered] };
}

/**
 * The stored answer as the model continues it, or undefined if it does not wait for what the page sent.
 * Only outputs and approvals of tool calls that wait for them are read from the page's copy, and all
 * calls must have one. If the model failed when it continued, it continues once more, without the calls
 * that were left unfinished, and without the ids of the response that never completed.
 *
 * @throws JourneyDbError invalid_input for an output or an approval that is not valid
 */
export function continuedAnswer<Message extends MessageShape>(
  stored: Message,
  sent: Message,
): Message | undefined {
  if (!interruption(stored)) return withToolAnswers(stored, sent.parts);
  if (!canContinue(stored)) return undefined;
  const end = stored.parts.findLastIndex(isContent) + 1;
  const said = stored.parts.slice(0, end);
  // A step that completed is followed by the start of the next one. The provider does not know any other.
  const broken = stored.parts.slice(end).some(isStepStart) ? end : said.findLastIndex(isStepStart) + 1;
  const parts = said.flatMap((part: Part, n) => {
    if (UNDER_WAY.has(stateOf(part)) || part.preliminary === true) return [];
    if (n < broken) return [part];
    return part.providerExecuted === true ? [] : [withoutItemId(part)];
  });
  return markInterrupted({ ...stored, parts }, undefined);
}
