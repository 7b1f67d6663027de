import * as z from "zod";
import type { MessageShape } from "../messages.js";
import { JourneyDbError } from "../model/errors.js";
import type { Appended } from "../sessions/append.js";
import type { UserSessions } from "../sessions/verbs.js";
import { LARGEST_JSONB } from "../validation/options.js";
import { parse } from "../validation/parse.js";
import { hasContent, markInterrupted, withoutStreaming } from "./answer.js";
import { asStreamed } from "./as-streamed.js";
import { type Ending, interruptionOf } from "./ending.js";
import { type OnError, report } from "./error-response.js";
import { forModel } from "./for-model.js";
import { readRequest } from "./read-request.js";
import type { NodeRequest } from "./request-body.js";
import { isRefusal, storeAnswer } from "./store-answer.js";
import { createsSession, isConflict, storeQuestion, storeToolAnswers } from "./store-sent.js";

export interface StartTurnOptions<Message> {
  /** Titles a new session, as `metadata.title`: `titleOf`, or your own, which the model waits for. @default no title */
  title?: ((question: Message) => string | undefined | Promise<string | undefined>) | undefined;
  /** How many messages to read for the model, the newest: 1–1000. @default 1000 */
  limit?: number | undefined;
  /** Bytes of the request that are read; more are refused with `too_large`: 1–268,435,455. @default 4 MiB */
  maxBodyBytes?: number | undefined;
  /**
   * Told of what fails while the turn goes on: a title that the metadata schema refuses, an answer that could not be
   * stored or not as a whole. @default writes it to the console
   */
  onError?: OnError | undefined;
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
   * a provider refuses, or the AI SDK itself, of answers that were interrupted, and what an older program left that is no
   * message. Messages of AI SDK 4 are converted. The rows keep all of it.
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
   * with what the store threw: with `invalid_input` or `too_large` also where a beginning of the answer could be
   * stored, with `not_found` where another user has the session now.
   */
  stored: Promise<Appended | null>;
  /** The request's JSON, for what the application added to it. */
  body: Record<string, unknown>;
}

const functionSchema = z
  .custom((given) => typeof given === "function", { params: { expected: "function" } })
  .optional();
const optionsSchema = z.strictObject({
  title: functionSchema,
  limit: z.int().min(1).max(1000).default(1000),
  maxBodyBytes: z
    .int()
    .min(1)
    .max(LARGEST_JSONB)
    .default(4 * 1024 * 1024),
  onError: functionSchema,
});

/**
 * Titles a session that has no title; answers its revision as far as nobody else changed it.
 *
 * @param revision the session's when its first message was stored
 */
async function storeTitle<Message extends MessageShape>(
  // biome-ignore lint/suspicious/noExplicitAny: any metadata, any phase
  sessions: UserSessions<Message, any, any>,
  id: string,
  title: unknown,
  revision: string,
): Promise<string> {
  if (typeof title !== "string")
    throw new JourneyDbError("invalid_input", "options.title: expected a function that returns a string");
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
 * @param request a `Request` (Next.js, Hono's `c.req.raw`), or the request of Node.js, Express or Fastify, with or without
 *   a parser before; of a body that a parser has read, `maxBodyBytes` counts what the header says
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
  request: Request | NodeRequest,
  options: StartTurnOptions<Message> = {},
): Promise<Turn<Message>> {
  const { limit, maxBodyBytes } = parse(optionsSchema, options);
  const { title, onError } = options;
  const { sent, body } = await readRequest<Message>(request, maxBodyBytes);
  const isQuestion = sent.message.role === "user";
  // Before anything is stored, so that what it throws leaves nothing behind.
  const titled = createsSession(sent) ? await title?.(sent.message) : undefined;

  const begun = isQuestion
    ? await storeQuestion(sessions, id, sent, limit)
    : await storeToolAnswers(sessions, id, sent.message, limit);
  const { answerId } = begun;
  const target = {
    id,
    answerId,
    begun: isQuestion ? undefined : begun.messages.at(-1),
    revision: begun.revision,
  };
  if (titled) {
    try {
      target.revision = await storeTitle(sessions, id, titled, begun.revision);
    } catch (error) {
      // A title that the application's schema refuses costs no turn.
      if (!isRefusal(error)) throw error;
      report(error, onError);
    }
  }

  async function storeEnding(ending: Ending): Promise<Appended | null> {
    const answer = asStreamed(ending.responseMessage as Message);
    // Without generateMessageId the AI SDK gives it none.
    const identified = withoutStreaming({ ...answer, id: answer.id || answerId });
    const how = interruptionOf(ending);
    const marked = how ? markInterrupted(identified, how) : identified;
    return hasContent(marked) ? storeAnswer(sessions, target, marked) : null;
  }

  let settle: (appended: Promise<Appended | null>) => void;
  const settled = new Promise<Appended | null>((resolve) => {
    settle = resolve;
  });
  settled.catch((error) => {
    const unknown = new JourneyDbError(
      "internal",
      "The answer could not be stored: the handle threw an unknown error.",
    );
    report(error instanceof JourneyDbError ? error : unknown, onError);
  });

  return {
    messages: forModel(begun.messages, !isQuestion),
    response: {
      originalMessages: begun.messages,
      generateMessageId: () => answerId,
      consumeSseStream: ({ stream }) => stream.pipeTo(new WritableStream()).catch(() => {}),
      async onFinish(ending) {
        settle(storeEnding(ending));
        await settled;
      },
    },
    stored: settled,
    body,
  };
}
