import * as z from "zod";
import type { MessageShape } from "../messages.js";
import { parse } from "../validation/parse.js";
import { interruption, isContent, markInterrupted, stateOf } from "./interruption.js";
import { withoutItemId } from "./parts.js";

/** A part of a message, with what it has where it is a tool call. */
export type Part = MessageShape["parts"][number] & {
  toolCallId?: unknown;
  approval?: object;
  preliminary?: unknown;
  providerExecuted?: unknown;
};

/** What is taken of a part that answers a tool call. */
interface Answer {
  state: string;
  approval?: object;
}

/** What a page may say of a tool call, by the state in which that waits. */
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

const FINAL = new Set<unknown>(["output-available", "output-error", "output-denied"]);
const UNDER_WAY = new Set<unknown>(["input-streaming", "input-available", "approval-requested"]);

/** Whether the part is a tool call. */
export const isCall = ({ type }: Part): boolean => type.startsWith("tool-") || type === "dynamic-tool";

/** Whether nothing more comes of the tool call. */
export const isFinal = (part: Part): boolean => FINAL.has(stateOf(part)) && part.preliminary !== true;

/** Whether it was decided that the tool may run or not, and nothing came of that yet. */
export const isDecided = (part: Part): boolean => stateOf(part) === "approval-responded";

/** Whether the tool call waits for the page. What the provider runs does not. */
const isWaiting = (part: Part): boolean =>
  typeof part.toolCallId === "string" &&
  (stateOf(part) === "approval-requested" ||
    (stateOf(part) === "input-available" && part.providerExecuted !== true));

/** The parts since the model went on last, and where they begin. What it has begun and not said yet is left out. */
function lastStepOf(parts: readonly Part[]): { step: readonly Part[]; start: number } {
  const said = parts.slice(0, parts.findLastIndex(isContent) + 1);
  const start = said.findLastIndex(({ type }) => type === "step-start") + 1;
  return { step: said.slice(start), start };
}

/** Whether tool calls at the message's end wait for the page, and none was decided before. */
export function isOpen({ parts }: Pick<MessageShape, "parts">): boolean {
  const { step } = lastStepOf(parts);
  return step.some(isWaiting) && !step.some(isDecided);
}

/** Whether the page has answered the tool calls at the message's end, and the model has not gone on since. */
export function isAnswered({ parts }: Pick<MessageShape, "parts">): boolean {
  const calls = lastStepOf(parts).step.filter(({ toolCallId }) => toolCallId !== undefined);
  return calls.length > 0 && calls.every((part) => isFinal(part) || isDecided(part));
}

/** Whether a model that failed can go on after its tools. Not where one may have run without a word of it. */
export function canGoOn({ parts }: Pick<MessageShape, "parts">): boolean {
  const last = parts.findLast(isContent);
  return last !== undefined && isFinal(last) && !parts.some(isDecided);
}

/** A copy of the message with the page's answers to the tool calls that wait at its end; undefined where one has none. */
function withToolAnswers<Message extends MessageShape>(
  stored: Message,
  sent: readonly (Part | null)[],
): Message | undefined {
  // What was decided before may be running.
  if (!isOpen(stored)) return undefined;
  const { step, start } = lastStepOf(stored.parts);
  const answered = step.map((part) => {
    if (!isWaiting(part)) return part;
    // A provider may use an id once in each step, and the page's copy ends with the same one.
    const place = sent.findLastIndex((one) => one?.toolCallId === part.toolCallId);
    const given = sent[place];
    if (!given || UNDER_WAY.has(stateOf(given))) return part;
    const schema = ANSWERS.get(stateOf(part)) as z.ZodType<Answer>;
    const { approval, ...answer } = parse(schema, given, `request.message.parts[${place}]`, ANSWER_KEYS);
    return { ...part, ...answer, ...(approval && { approval: { ...part.approval, ...approval } }) };
  });
  if (answered.some(isWaiting)) return undefined;
  return { ...stored, parts: [...stored.parts.slice(0, start), ...answered] };
}

/**
 * The stored answer as the model goes on with it, or undefined where it does not wait for what was
 * said. Of the page's copy nothing is believed but the outputs and the approvals of tool calls that
 * wait for them, of all at once. Where the model failed to go on, it goes on once more, without the
 * calls that came to no end then, and without the ids of the response that never completed.
 *
 * @throws JourneyDbError invalid_input, of an output or an approval that is none
 */
export function continuedAnswer<Message extends MessageShape>(
  stored: Message,
  sent: Message,
): Message | undefined {
  if (!interruption(stored)) return withToolAnswers(stored, sent.parts);
  if (!canGoOn(stored)) return undefined;
  const end = stored.parts.findLastIndex(isContent) + 1;
  const said = stored.parts.slice(0, end);
  const beginsStep = ({ type }: Part) => type === "step-start";
  // A step that ended is followed by the mark of the next; of another, the provider knows nothing.
  const broken = stored.parts.slice(end).some(beginsStep) ? end : said.findLastIndex(beginsStep) + 1;
  const parts = said.flatMap((part: Part, place) => {
    if (UNDER_WAY.has(stateOf(part)) || part.preliminary === true) return [];
    if (place < broken) return [part];
    return part.providerExecuted === true ? [] : [withoutItemId(part)];
  });
  return markInterrupted({ ...stored, parts }, undefined);
}
