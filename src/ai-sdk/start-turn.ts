import * as z from "zod";
import { JourneyDbError } from "../errors.js";
import { type MessageShape, messageIdSchema, messageSchema } from "../messages.js";
import { upToFirstFault } from "../payloads.js";
import type { Appended, UserSessions } from "../user-sessions.js";
import { parse } from "../validate.js";
import { hasContent, type Interruption, isCutOff, markInterrupted } from "./answer.js";
import { storeAnswer } from "./store-answer.js";
import { isConflict, storeQuestion, storeToolAnswers } from "./store-sent.js";
import type { TurnRequest } from "./turn-request.js";

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

/** A user's message, or what the page said of tool calls, that was stored, and what is left to do with it. */
export interface Turn<Message> {
  /**
   * The conversation for the model, ending with the user's message, or with the answer that goes on. Not in it: what
   * an older program left that is no message, and calls that were approved but never ran, which the AI SDK takes for an error.
   */
  messages: Message[];
  /**
   * For `toUIMessageStreamResponse`, without `sendFinish: false`, which makes an end look like a break. Give
   * `streamText` the request's signal, or a stop is not noticed.
   */
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
  message: z.looseObject({ role: z.enum(["user", "assistant"]), metadata: z.looseObject({}).optional() }),
  after: messageIdSchema.nullable(),
  isOpen: z.boolean().optional(),
  from: messageIdSchema.optional(),
});
const toolAnswersSchema = z.looseObject({
  message: z.looseObject({ id: messageIdSchema, parts: z.array(z.unknown()) }),
  from: z.undefined().optional(),
});
const limitSchema = z.int().min(1).max(1000);
const TURN_KEYS = new Set(["message", "id", "role", "parts", "type", "metadata", "after", "isOpen", "from"]);

function interruptionOf(ending: Ending): Interruption | undefined {
  if (ending.isAborted) return "stopped";
  // The reason is missing where the stream broke off; early versions of v5 tell none at all.
  const isBroken = "finishReason" in ending && ending.finishReason === undefined;
  const hasFailed =
    isBroken || ending.finishReason === "error" || ending.responseMessage.parts.some(isCutOff);
  return hasFailed ? "failed" : undefined;
}

async function bodyOf(request: Request): Promise<Record<string, unknown>> {
  try {
    return (await request.json()) as Record<string, unknown>;
  } catch {
    throw new JourneyDbError("invalid_input", "request: expected JSON");
  }
}

/**
 * Titles a session that has no title; answers its revision as far as nobody else changed it.
 *
 * @param revision the session's when its first message was stored
 */
async function storeTitle<Message extends MessageShape>(
  // biome-ignore lint/suspicious/noExplicitAny: any metadata, any phase
  sessions: UserSessions<Message, any, any>,
  id: string,
  title: string,
  revision: string,
): Promise<string> {
  const ifMatch = { title: null };
  try {
    return (await sessions.mergeMetadata(id, { title }, { ifMatch, ifRevision: revision })).revision;
  } catch (error) {
    if (!isConflict(error)) throw error;
  }
  try {
    await sessions.mergeMetadata(id, { title }, { ifMatch });
  } catch (error) {
    if (!isConflict(error)) throw error;
  }
  // Not the new one: what others did before it would count as seen.
  return revision;
}

/**
 * Begins a turn of a chat: stores the user's message of a request that `turnRequest` made, and answers
 * what `streamText` and `toUIMessageStreamResponse` need. Only a first message makes the session.
 *
 * The answer is stored when it ends, behind its question, whatever followed that meanwhile. What had
 * arrived when the user stopped or left, or when the model failed, is stored too, with
 * `metadata.interrupted`. It never brings back a session that was deleted, and does not follow a
 * question that was edited or asked again meanwhile: `metadata.answerId` of the user's message names
 * the one answer that it waits for. A message or metadata schema of the application must allow these
 * keys, and `title`.
 *
 * Where the page answered the tool calls of the last answer (`addToolOutput`,
 * `addToolApprovalResponse`), what it says is stored, and the model goes on with that answer. Only the
 * outputs and approvals that the stored answer waits for are taken, all at once: not the rest of the
 * page's copy. A call that is to be approved cannot also run in the page.
 *
 * @param sessions the user's; without `signal`, since the answer is stored after the request ended
 * @throws JourneyDbError as append: invalid_input, conflict where the conversation went on or a tool call was answered elsewhere, not_found, too_large, corrupt, unavailable, timeout
 * @example
 * const turn = await startTurn(sessions, id, request, { title: titleOf });
 * const result = streamText({ model, messages: await convertToModelMessages(turn.messages, { ignoreIncompleteToolCalls: true }), abortSignal: request.signal });
 * return result.toUIMessageStreamResponse(turn.response);
 */
export async function startTurn<Message extends MessageShape>(
  // biome-ignore lint/suspicious/noExplicitAny: as above
  sessions: UserSessions<Message, any, any>,
  id: string,
  request: Request,
  { title, limit = 1000 }: StartTurnOptions<Message> = {},
): Promise<Turn<Message>> {
  const body = await bodyOf(request);
  parse(turnSchema, body, "request", TURN_KEYS);
  const checkedLimit = parse(limitSchema, limit, "options.limit", TURN_KEYS);
  const sent = body as unknown as TurnRequest<Message>;
  const isQuestion = sent.message.role === "user";
  if (isQuestion) parse(messageSchema, upToFirstFault(sent.message), "request.message", TURN_KEYS);
  else parse(toolAnswersSchema, body, "request", TURN_KEYS);
  // Before anything is stored, so that what it throws leaves nothing behind.
  const named =
    isQuestion && sent.after === null && sent.from === undefined ? title?.(sent.message) : undefined;

  const answerId = isQuestion ? crypto.randomUUID() : sent.message.id;
  const begun = isQuestion
    ? await storeQuestion(sessions, id, sent, answerId, checkedLimit)
    : await storeToolAnswers(sessions, id, sent.message, checkedLimit);
  const { messages } = begun;
  const revision =
    named === undefined ? begun.revision : await storeTitle(sessions, id, named, begun.revision);

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
        settle(
          hasContent(answer)
            ? storeAnswer(sessions, id, whole, isQuestion ? answerId : undefined, revision)
            : null,
        );
        await stored;
      },
    },
    stored,
    body,
  };
}
