import * as z from "zod";
import type { MessageShape } from "../messages.js";
import { JourneyDbError } from "../model/errors.js";
import type { JourneyTable, NeedsOwn, NewOwn } from "../schema.js";
import type { Appended } from "../sessions/append.js";
import type { MessageLayout } from "../sessions/types.js";
import { LARGEST_JSONB, plainObjectSchema } from "../validation/options.js";
import { parse } from "../validation/parse.js";
import { beginTurn } from "./begin-reply.js";
import { repliesOf } from "./close-reply.js";
import { type OnError, report } from "./error-response.js";
import { forModel } from "./for-model.js";
import {
  type Ending,
  type Interruption,
  interruption,
  interruptionOf,
  markInterrupted,
  withoutStreaming,
} from "./interruption.js";
import { isBeginningOf } from "./partial-answer.js";
import { hasContent } from "./parts.js";
import { readRequest } from "./read-request.js";
import { asReceived } from "./received-answer.js";
import { endOf, errorEvent } from "./reply-chunks.js";
import { replyProducer } from "./reply-producer.js";
import type { NodeRequest } from "./request-body.js";
import { type AnySessions, isRefusal, storeAnswer } from "./store-answer.js";
import {
  type Begun,
  createsSession,
  isConflict,
  type NewSessionFields,
  storeQuestion,
  storeToolAnswers,
} from "./store-request.js";
import type { TurnRequest } from "./turn-request.js";

// biome-ignore lint/suspicious/noExplicitAny: options of any application fit its own handle
export interface StartTurnOptions<Message, Table extends JourneyTable = any> {
  /**
   * Returns the title of a new session, stored as `metadata.title`: `titleOf`, or your own function. The
   * model is called after it has resolved. @default no title
   */
  title?: ((question: Message) => string | undefined | Promise<string | undefined>) | undefined;
  /** Metadata and own columns of a new session, as in `append`. @default none */
  create?: (NewOwn<Table> & { metadata?: object | undefined }) | undefined;
  /** Maximum number of messages for the model, the newest ones: 1–1000. @default 1000 */
  limit?: number | undefined;
  /** Maximum bytes of the request, else `too_large`: 1–268,435,455. @default 4 MiB */
  maxBodyBytes?: number | undefined;
  /**
   * Whether the reply is kept while it streams, so that it survives a reload and a crash, and can be stopped and followed
   * from any tab: `resumeTurn`, `stopTurn`. Needs the option `replies` of defineJourney. Pass `turn.signal` to `streamText`.
   * @default false
   */
  durable?: boolean | undefined;
  /**
   * Called for errors that do not end the turn: a title that the metadata schema refuses, or an answer that
   * could not be stored, or only in part. @default writes one line with console.error
   */
  onError?: OnError | undefined;
}

/** `create` is required if an own column of a new session needs a value. */
type TurnArguments<Message, Table extends JourneyTable> =
  NeedsOwn<Table> extends true
    ? [options: StartTurnOptions<Message, Table> & { create: NewOwn<Table> }]
    : [options?: StartTurnOptions<Message, Table>];

/** Options of `toUIMessageStreamResponse`. */
export interface TurnResponse<Message> {
  originalMessages: Message[];
  /** The answer's id, the same in the stream and in the row. */
  generateMessageId(): string;
  /** Reads the answer to its end if the browser does not. */
  consumeSseStream(options: { stream: ReadableStream }): Promise<void>;
  /** Stores the answer. */
  onFinish(ending: Ending): Promise<void>;
  /** Of a durable reply: the mark of an answer that was stopped, also for the page that began it. */
  // biome-ignore lint/suspicious/noExplicitAny: the application's metadata
  messageMetadata?: (options: { part: { type: string } }) => any;
}

/** A turn whose message is stored. */
export interface Turn<Message, Layout extends MessageLayout = "column"> {
  /**
   * The conversation for the model, ending with the user's message, or with the answer to continue. It leaves
   * out interrupted parts that a provider or the AI SDK would refuse, and stored elements that are not
   * messages. Messages of AI SDK 4 are converted. The row keeps everything.
   */
  messages: Message[];
  /**
   * Pass it to `toUIMessageStreamResponse`, without `sendFinish: false`, which looks like a broken stream.
   */
  response: TurnResponse<Message>;
  /**
   * Pass it to `streamText`; otherwise the model continues after the user has pressed Stop. Of a durable reply it is aborted
   * by `stopTurn`, or if the reply is over for another reason, but not when the browser leaves. Of any other it is the signal
   * of the `Request`; of a request of Node.js it is never aborted.
   */
  signal: AbortSignal;
  /**
   * Resolves when the answer is stored; with null if there was nothing to store: no part of the answer
   * arrived, its session was deleted, or its question was edited or asked again meanwhile. Rejects with the
   * error that prevented storing it: `invalid_input` or `too_large` even if part of the answer was stored,
   * `not_found` if another user has the session now. It never settles without a stream. Pass it to `after` of
   * Next.js, so that the process stays alive until then.
   */
  stored: Promise<Appended<Layout> | null>;
  /** The request's JSON, including fields that the application added. */
  body: Record<string, unknown>;
}

const functionSchema = z
  .custom((given) => typeof given === "function", { params: { expected: "function" } })
  .optional();
const optionsSchema = z.strictObject({
  title: functionSchema,
  create: plainObjectSchema.default({}),
  limit: z.int().min(1).max(1000).default(1000),
  durable: z.boolean().default(false),
  maxBodyBytes: z
    .int()
    .min(1)
    .max(LARGEST_JSONB)
    .default(4 * 1024 * 1024),
  onError: functionSchema,
});

/**
 * Stores a user's message, and the title of a session that has none. A refused title does not end the turn.
 */
async function storeTitled<Message extends MessageShape>(
  sessions: AnySessions<Message>,
  id: string,
  sent: TurnRequest<Message>,
  limit: number,
  create: NewSessionFields,
  isNew: boolean,
  title: unknown,
  onError: OnError | undefined,
): Promise<Begun<Message>> {
  const store = (fields: NewSessionFields) => storeQuestion(sessions, id, sent, limit, fields, isNew);
  if (!title) return store(create);
  if (typeof title !== "string") {
    const message = "options.title: expected a function that returns a string";
    report(new JourneyDbError("invalid_input", message), onError);
    return store(create);
  }
  const titled = { ...create, metadata: { ...create.metadata, title } };
  const begun = await store(titled).catch((error) => {
    if (!isRefusal(error)) throw error;
    // The title may be what is refused, not the message.
    return store(create);
  });
  if (begun.isTitled) return begun;
  const merge = (ifRevision?: string) =>
    sessions.mergeMetadata(id, { title }, { ifMatch: { title: null }, ifRevision });
  try {
    // The answer is stored on this revision, at once.
    const { revision } = await merge(begun.revision);
    return { ...begun, revision };
  } catch (error) {
    if (isRefusal(error)) {
      report(error, onError);
      return begun;
    }
    if (!isConflict(error)) throw error;
  }
  // The session has a title, or has changed meanwhile.
  await merge().catch((error) => {
    if (!isConflict(error)) throw error;
  });
  return begun;
}

/**
 * Starts a turn of a chat: stores the user's message of a request that `turnRequest` made, and returns what
 * `streamText` and `toUIMessageStreamResponse` need. Only a first message creates the session, with its
 * title, in one statement.
 *
 * The answer is stored when it ends, directly after its question, even if other messages follow the question
 * by then. If the user stopped or left, or the model failed, the part that has arrived is stored with
 * `metadata.interrupted`. An answer never brings back a deleted session, and is dropped if its question was
 * edited or asked again: `metadata.answerId` of the user's message names the one answer that it waits for.
 * The application's message and metadata schemas must allow these keys, and `title`.
 *
 * If the page answered the tool calls of the last answer (`addToolOutput`, `addToolApprovalResponse`), these
 * answers are stored and the model continues. Only outputs and approvals that the stored message waits for
 * are read, and none may be missing; the rest of the page's copy is ignored. A tool call that needs approval
 * cannot run in the page.
 *
 * @param sessions the user's handle, without a `signal`, since the answer is stored after the request has
 *   ended
 * @param request a `Request` (Next.js, Hono's `c.req.raw`), or the request of Node.js, Express or Fastify, with or
 *   without a body parser; after a body parser, `maxBodyBytes` limits the content length of the header
 * @throws JourneyDbError as append: invalid_input, conflict if the conversation continued or a tool call was
 *   answered elsewhere, not_found, too_large, corrupt, unavailable, timeout
 * @example
 * const turn = await startTurn(sessions, id, request, { title: titleOf });
 * const result = streamText({ model, messages: await convertToModelMessages(turn.messages, { ignoreIncompleteToolCalls: true }), abortSignal: turn.signal });
 * return result.toUIMessageStreamResponse(turn.response);
 */
export async function startTurn<
  Message extends MessageShape,
  Table extends JourneyTable,
  Layout extends MessageLayout = "column",
>(
  sessions: AnySessions<Message, Layout, Table>,
  id: string,
  request: Request | NodeRequest,
  ...given: TurnArguments<Message, Table>
): Promise<Turn<Message, Layout>> {
  const [options = {}] = given as [StartTurnOptions<Message, Table>?];
  const { limit, maxBodyBytes, create, durable } = parse(optionsSchema, options);
  const { onError } = options;
  if (durable) repliesOf(sessions);
  const { sent, body } = await readRequest<Message>(request, maxBodyBytes);
  const isQuestion = sent.message.role === "user";
  // Before anything is stored, so that nothing is left behind if it throws.
  const title = createsSession(sent) ? await options.title?.(sent.message) : undefined;

  const storeTurn = (isNew = false) =>
    isQuestion
      ? storeTitled(sessions, id, sent, limit, create, isNew, title, onError)
      : storeToolAnswers(sessions, id, sent.message, limit);
  const { messages, revision, answerId, replyId } = durable
    ? await beginTurn(sessions, id, createsSession(sent), storeTurn)
    : { ...(await storeTurn()), replyId: undefined };
  const continued = isQuestion ? undefined : messages.at(-1);
  const made = { messageId: answerId, continues: continued?.parts.length };
  const reply = replyId ? replyProducer(repliesOf(sessions), id, replyId, made, onError) : undefined;
  const isContinued = (stored: Message) =>
    continued !== undefined && stored.parts.length <= continued.parts.length;
  const target = {
    id,
    answerId,
    begun: continued,
    revision,
  };

  async function storeEnding(
    ending: Ending,
    how: Interruption | undefined,
  ): Promise<Appended<Layout> | null> {
    const answer = asReceived(ending.responseMessage as Message);
    // Without generateMessageId the AI SDK gives it no id.
    const identified = withoutStreaming({ ...answer, id: answer.id || answerId });
    const marked = how ? markInterrupted(identified, how) : identified;
    // Who closed the reply has stored what there was of it.
    const replaces = (stored: Message, isLast: boolean) =>
      isContinued(stored) ||
      (isLast && interruption(stored) === "failed" && isBeginningOf(stored, identified));
    return hasContent(marked)
      ? storeAnswer(sessions, reply ? { ...target, replaces } : target, marked)
      : null;
  }

  let settle: (appended: Promise<Appended<Layout> | null>) => void;
  const settled = new Promise<Appended<Layout> | null>((resolve) => {
    settle = resolve;
  });
  settled.catch((error) => {
    const unknown = new JourneyDbError(
      "internal",
      "The answer could not be stored: the handle threw an unknown error.",
    );
    report(error instanceof JourneyDbError ? error : unknown, onError);
  });

  const stored = reply ? Promise.all([settled, reply.done]).then(([appended]) => appended) : settled;
  // Reported above.
  stored.catch(() => {});
  const never = new AbortController().signal;

  return {
    messages: forModel(messages, !isQuestion),
    response: {
      originalMessages: messages,
      generateMessageId: () => answerId,
      consumeSseStream: ({ stream }) =>
        reply ? reply.consume(stream) : stream.pipeTo(new WritableStream()).catch(() => {}),
      async onFinish(ending) {
        const ended = interruptionOf(ending);
        // Nobody stopped a reply that was closed by others.
        const how = ended === "stopped" && reply?.lost ? "failed" : ended;
        settle(storeEnding(ending, how));
        await settled.catch(async (error) => {
          await reply?.stored(errorEvent("The answer could not be stored."));
          throw error;
        });
        await reply?.stored(endOf(how));
      },
      ...(reply && {
        messageMetadata: ({ part }) =>
          part.type === "abort" ? { interrupted: reply.lost ? "failed" : "stopped" } : undefined,
      }),
    },
    signal: reply?.signal ?? (request as Request).signal ?? never,
    stored,
    body,
  };
}
