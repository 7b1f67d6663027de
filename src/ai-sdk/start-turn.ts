import * as z from "zod";
import { JourneyDbError } from "../errors.js";
import { isMessage, type MessageShape, messageIdSchema } from "../messages.js";
import type { Appended, UserSessions } from "../user-sessions.js";
import { parse } from "../validate.js";
import { hasContent, type Interruption, isCutOff, markInterrupted } from "./answer.js";
import { answerIdOf, storeAnswer } from "./store-answer.js";
import { lastKnown, type TurnRequest } from "./turn-request.js";

export interface StartTurnOptions<Message> {
  /** Titles a new session, as `metadata.title`: `titleOf`, or your own. @default no title */
  title?: ((question: Message) => string | undefined) | undefined;
  /** How many messages to read for the model, the newest: 1–1000. @default 1000 */
  limit?: number | undefined;
}

/** What the AI SDK tells at the end of an answer, as far as v5, v6 or v7 has it. */
interface Ending {
  responseMessage: MessageShape;
  isAborted: boolean;
  finishReason?: string | undefined;
}

/** Options of `toUIMessageStreamResponse`. */
export interface TurnResponse<Message> {
  originalMessages: Message[];
  /** The answer's id, the same in the stream and in the row. */
  generateMessageId(): string;
  /** Reads the answer to its end when the browser no longer does. */
  consumeSseStream(options: { stream: ReadableStream }): Promise<void>;
  /** Stores the answer. */
  onFinish(ending: Ending): Promise<void>;
}

/** A user's message that was stored, and what is left to do with it. */
export interface Turn<Message> {
  /** The conversation for the model, ending with the user's message. What an older program left that is no message is not in it. */
  messages: Message[];
  /** For `toUIMessageStreamResponse`. Give `streamText` the request's signal, or a stop is not noticed. */
  response: TurnResponse<Message>;
  /**
   * Settles when the answer is stored; null where there was nothing to store: no part of it arrived,
   * its session was deleted, or its question was edited or asked again meanwhile. Give it to Next.js'
   * `after`, so that the process lives that long, once there is a stream: without one it never settles. It rejects
   * with what the store threw.
   */
  stored: Promise<Appended | null>;
  /** The request's JSON, for what the application added to it. */
  body: Record<string, unknown>;
}

const turnSchema = z.looseObject({
  // The message itself is for append to check.
  message: z.looseObject({ role: z.literal("user"), metadata: z.looseObject({}).optional() }),
  after: messageIdSchema.nullable(),
  from: messageIdSchema.optional(),
});
const limitSchema = z.int().min(1).max(1000);
const TURN_KEYS = new Set(["message", "role", "metadata", "after", "from"]);

/** How many of the newest messages are looked at to tell whether a page is up to date. */
const LOOK = 50;
/** How often it is looked anew, since the session changed between the look and the write. */
const LOOKS = 5;

const isConflict = (error: unknown) => error instanceof JourneyDbError && error.code === "conflict";

function interruptionOf({ isAborted, finishReason, responseMessage }: Ending): Interruption | undefined {
  if (isAborted) return "stopped";
  // The reason is missing where the stream broke off; then a part is not at its end.
  return finishReason === "error" || responseMessage.parts.some(isCutOff) ? "failed" : undefined;
}

/**
 * Whether the page's last message is the last that is stored, as a page sees it: apart from elements that
 * are no messages. Or the answer that the last one waits for, which a page has before it is stored.
 */
function isUpToDate(stored: MessageShape[], after: string | null, questionId: string): boolean {
  const messages = stored.filter(isMessage);
  return (
    lastKnown(messages, questionId) === after || (after !== null && answerIdOf(messages.at(-1)) === after)
  );
}

async function bodyOf(request: Request): Promise<Record<string, unknown>> {
  try {
    return (await request.json()) as Record<string, unknown>;
  } catch {
    throw new JourneyDbError("invalid_input", "request: expected JSON");
  }
}

/**
 * Begins a turn of a chat: stores the user's message of a request that `turnRequest` made, and answers
 * what `streamText` and `toUIMessageStreamResponse` need. Only a first message makes the session.
 *
 * The answer is stored when it ends, behind its question, whatever followed that meanwhile. What had arrived when the user stopped or left, or when the model
 * failed, is stored too, with `metadata.interrupted`. It never brings back a session that was deleted,
 * and does not follow a question that was edited or asked again meanwhile: `metadata.answerId` of the
 * user's message names the one answer that it waits for. A message or metadata schema of the
 * application must allow these keys, and `title`.
 *
 * @param sessions the user's; without `signal`, since the answer is stored after the request ended
 * @throws JourneyDbError as append: invalid_input, conflict where the conversation went on elsewhere, not_found, too_large, corrupt, unavailable, timeout
 * @example
 * const turn = await startTurn(sessions, id, request, { title: titleOf });
 * const result = streamText({ model, messages: await convertToModelMessages(turn.messages, { ignoreIncompleteToolCalls: true }), abortSignal: request.signal });
 * return result.toUIMessageStreamResponse(turn.response);
 */
export async function startTurn<Message extends MessageShape>(
  // biome-ignore lint/suspicious/noExplicitAny: any metadata, any phase
  sessions: UserSessions<Message, any, any>,
  id: string,
  request: Request,
  { title, limit = 1000 }: StartTurnOptions<Message> = {},
): Promise<Turn<Message>> {
  const body = await bodyOf(request);
  parse(turnSchema, body, "request", TURN_KEYS);
  const checkedLimit = parse(limitSchema, limit, "options.limit", TURN_KEYS);
  const { message, after, from } = body as unknown as TurnRequest<Message>;
  const answerId = crypto.randomUUID();
  const question = { ...message, metadata: { ...(message.metadata as object | undefined), answerId } };
  // Before anything is stored, so that its mistakes leave nothing behind.
  const named = after === null && from === undefined ? title?.(question) : undefined;

  async function appendQuestion(): Promise<Appended> {
    try {
      // Makes the session where `after` is null and there is no `from`: append does so in no other case.
      return await sessions.append(id, question, { create: true, after, from });
    } catch (error) {
      if (!isConflict(error)) throw error;
      for (let looks = 1; ; looks++) {
        const stored = await sessions.messages(id, { limit: LOOK });
        if (!isUpToDate(stored.messages, after, question.id)) throw error;
        try {
          return await sessions.append(id, question, { from, ifRevision: stored.revision });
        } catch (changed) {
          if (!isConflict(changed) || looks === LOOKS) throw changed;
        }
      }
    }
  }

  const { revision } = await appendQuestion();
  const page = await sessions.messages(id, { limit: checkedLimit });
  if (named !== undefined && page.session.metadata.title === undefined) {
    // Not its revision: what others did before it would count as seen.
    await sessions.mergeMetadata(id, { title: named });
  }
  const place = page.messages.findIndex((stored) => stored?.id === question.id);
  // What came behind it in this moment is not asked about, however much that is.
  const messages = place < 0 ? [question] : page.messages.slice(0, place + 1).filter(isMessage);

  let settle: (appended: Promise<Appended | null> | null) => void;
  const stored = new Promise<Appended | null>((resolve) => {
    settle = resolve;
  });
  // Who does not ask for it is told by the stream.
  stored.catch(() => {});

  return {
    messages,
    response: {
      originalMessages: messages,
      generateMessageId: () => answerId,
      consumeSseStream: ({ stream }) => stream.pipeTo(new WritableStream()).catch(() => {}),
      async onFinish(ending) {
        const answer = ending.responseMessage as Message;
        const how = interruptionOf(ending);
        const whole = how ? markInterrupted(answer, how) : answer;
        settle(hasContent(answer) ? storeAnswer(sessions, id, whole, answerId, revision) : null);
        await stored;
      },
    },
    stored,
    body,
  };
}
