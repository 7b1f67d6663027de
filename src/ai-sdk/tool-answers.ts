import * as z from "zod";
import type { MessageShape } from "../messages.js";
import { parse } from "../validate.js";
import { interruption, isContent, stateOf } from "./answer.js";

/** A part of a message, with what it has where it is a tool call. */
type Part = MessageShape["parts"][number] & { toolCallId?: unknown; approval?: object };

/** What is taken of a part that answers a tool call. */
interface Answer {
  state: string;
  approval?: object;
}

/** What a page may say of a tool call, by the state in which that waits. */
const ANSWERS: Record<string, z.ZodType<Answer>> = {
  "input-available": z
    .object({
      state: z.enum(["output-available", "output-error"]),
      output: z.unknown().optional(),
      errorText: z.string().optional(),
    })
    .refine(({ state, errorText }) => state === "output-available" || errorText !== undefined, {
      path: ["errorText"],
      params: { expected: "string" },
    }),
  "approval-requested": z.object({
    state: z.literal("approval-responded"),
    approval: z.object({ approved: z.boolean(), reason: z.string().optional() }),
  }),
};
const ANSWER_KEYS = new Set(["state", "output", "errorText", "approval", "approved", "reason"]);

const ANSWERED = new Set<unknown>([
  "output-available",
  "output-error",
  "output-denied",
  "approval-responded",
]);

/** Whether the model has not gone on since the last of its tool calls was answered. */
export const endsInToolAnswer = ({ parts }: Pick<MessageShape, "parts">): boolean => {
  const last = parts.findLast(isContent);
  return last !== undefined && ANSWERED.has(stateOf(last));
};

/**
 * The message without calls that were approved or refused and of which nothing came, as where the
 * server was stopped: `ignoreIncompleteToolCalls` keeps them, and `streamText` then fails with
 * MissingToolResultsError, in every later turn.
 */
export const withoutLostCalls = <Message extends MessageShape>(message: Message): Message => ({
  ...message,
  parts: message.parts.filter((part) => stateOf(part) !== "approval-responded"),
});

/** A copy of the message with what the page says of the tool calls that wait in it; undefined where that is nothing. */
function withToolAnswers<Message extends MessageShape>(
  stored: Message,
  sent: readonly Part[],
): Message | undefined {
  let isAnswered = false;
  const parts = (stored.parts as readonly Part[]).map((part) => {
    const schema = ANSWERS[String(stateOf(part))];
    const place = sent.findIndex(({ toolCallId }) => toolCallId === part.toolCallId);
    const given = sent[place];
    if (!schema || !given || !ANSWERED.has(stateOf(given))) return part;
    const { approval, ...answer } = parse(schema, given, `request.message.parts[${place}]`, ANSWER_KEYS);
    isAnswered = true;
    return { ...part, ...answer, ...(approval && { approval: { ...part.approval, ...approval } }) };
  });
  return isAnswered ? { ...stored, parts } : undefined;
}

/**
 * The stored answer as the model goes on with it, or undefined where nothing was said that it waits
 * for. Of the page's copy nothing is believed but the outputs and the approvals of tool calls that
 * wait for them; what the server's own tools were doing when the answer was interrupted does not.
 * Where the model failed to go on, it goes on once more.
 *
 * @throws JourneyDbError invalid_input, of an output or an approval that is none
 */
export function continuedAnswer<Message extends MessageShape>(
  stored: Message,
  sent: Message,
): Message | undefined {
  if (!interruption(stored)) return withToolAnswers(stored, sent.parts);
  if (!endsInToolAnswer(stored)) return undefined;
  const { interrupted: _, ...metadata } = stored.metadata as { interrupted: unknown };
  return { ...stored, metadata, parts: stored.parts.slice(0, stored.parts.findLastIndex(isContent) + 1) };
}
