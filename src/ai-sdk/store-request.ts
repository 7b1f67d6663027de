import { isMessage, type MessageShape } from "../messages.js";
import { JourneyDbError } from "../model/errors.js";
import type { AppendOptions } from "../sessions/append.js";
import { withoutDepthLimit } from "../validation/json.js";
import { fromAiSdk4 } from "./from-ai-sdk-4.js";
import { interruption } from "./interruption.js";
import { retry } from "./retry.js";
import { idTaken, positionOf, Refusal } from "./stale-page.js";
import type { AnySessions } from "./store-answer.js";
import { continuedAnswer, isOpen } from "./tool-answers.js";
import { answerIdOf, type TurnRequest } from "./turn-request.js";

/** Minimum of the newest messages that are read, to tell whether a page is stale. */
const READ = 50;
/** The same if the message to replace may be further up. */
const READ_FAR = 1000;
/** Maximum attempts, each after a longer pause, since the session may change between the read and the write. */
const ATTEMPTS = 20;

/** What a session that is created gets: metadata and own columns. */
export interface NewSessionFields {
  metadata?: { title?: unknown } | undefined;
}

/** The conversation once the page's message is stored. */
export interface Begun<Message> {
  /** The newest messages, up to the stored one. */
  messages: Message[];
  /** Of the session when the message was stored. */
  revision: string;
  /** The id of the answer that the message waits for. */
  answerId: string;
  /** Whether the session has a title. */
  isTitled: boolean;
}

export const hasCode = (error: unknown, code: JourneyDbError["code"]) =>
  error instanceof JourneyDbError && error.code === code;

/** Whether others changed the session. A constraint of the application refuses the message however often it is stored. */
export const isConflict = (error: unknown) =>
  hasCode(error, "conflict") && (error as JourneyDbError).constraint === undefined;

/** A session that was to be new has been created meanwhile, or is another user's. */
export class SessionExists extends Refusal {
  constructor() {
    super("id: expected a session that nobody has");
  }
}

/** The stored messages that the AI SDK can read, those of AI SDK 4 converted. */
const messagesOf = <Message>(stored: readonly Message[]): Message[] =>
  stored.map((message) => fromAiSdk4(message)).filter(isMessage) as Message[];

/** Repeats a read and the write that depends on it while others change the session in between. */
const untilUnchanged = <T>(readAndStore: (n: number) => Promise<T>): Promise<T> =>
  retry(readAndStore, (error, n) =>
    // Random, so that two do not meet again.
    isConflict(error) && !(error instanceof Refusal) && n < ATTEMPTS ? Math.random() * 5 * n : undefined,
  );

/** Whether the request creates its session if there is none. */
export const createsSession = (sent: TurnRequest): boolean =>
  sent.message.role === "user" &&
  (sent.after === null || sent.isFirst === true) &&
  sent.from === undefined &&
  !sent.isOpen;

/** Whether the page has sent the message before. */
const isRepeated = ({ message: { id }, answers = {}, tried = {} }: TurnRequest): boolean =>
  Object.hasOwn(answers, id) || Object.hasOwn(tried, id);

/**
 * Stores a user's message, with the id of the answer that it waits for, unless the page is stale. A first
 * message creates its session in the same statement, without a read.
 *
 * @param create the metadata and own columns of a session that is created
 * @param isNew whether the session must be a new one, if the message creates it
 * @throws JourneyDbError as append; SessionExists
 */
export async function storeQuestion<Message extends MessageShape>(
  sessions: AnySessions<Message>,
  id: string,
  sent: TurnRequest<Message>,
  limit: number,
  create: NewSessionFields,
  isNew = false,
): Promise<Begun<Message>> {
  const { message } = sent;
  const creation: AppendOptions = { create, after: null };
  const hasTitle = create.metadata?.title !== undefined;

  async function append(answerId: string, options: AppendOptions) {
    const question = { ...message, metadata: { ...(message.metadata as object | undefined), answerId } };
    if (options === creation && isNew) {
      const { revision } = await sessions.create({ ...create, id, messages: [question] }).catch((error) => {
        throw isConflict(error) ? new SessionExists() : error;
      });
      return { created: true, revision, question };
    }
    const appended = await sessions.append(id, question, { leaveRoom: true, ...options });
    return { ...appended, question };
  }

  /** The id that the page chose for the answer, unless it is already in use. */
  async function freeId(isTaken: (messageId: string) => Promise<boolean>): Promise<string> {
    const { answerId } = sent;
    const isFree = answerId !== undefined && answerId !== message.id && !(await isTaken(answerId));
    return isFree ? answerId : crypto.randomUUID();
  }

  /** The newest messages; undefined if a first message is to create the session. */
  async function read() {
    try {
      return await sessions.messages(id, { limit: sent.replaces ? READ_FAR : Math.max(limit, READ) });
    } catch (error) {
      if (createsSession(sent) && hasCode(error, "not_found")) return undefined;
      throw error;
    }
  }

  /** Whether the conversation has a message with this id before the newest ones. */
  async function isFurtherUp(messageId: string): Promise<boolean> {
    try {
      await sessions.messages(id, { before: messageId, limit: 1 });
      return true;
    } catch (error) {
      if (hasCode(error, "not_found")) return false;
      throw error;
    }
  }

  return untilUnchanged(async (n) => {
    // Succeeds only if there is no session, or one that is empty or has only this message: then no page is stale.
    if (n === 1 && createsSession(sent) && sent.after === null && !isRepeated(sent)) {
      const answerId = await freeId(async () => false);
      const { created, revision, question } = await append(answerId, creation);
      return { messages: [question], revision, answerId, isTitled: created && hasTitle };
    }
    const page = await read();
    const stored = messagesOf(page?.messages ?? []);
    const from = page && positionOf(stored, sent);
    const isRead = (messageId: string) =>
      stored.some((one) => one.id === messageId || answerIdOf(one) === messageId);
    const isBefore = async (messageId: string) => page?.hasMore === true && (await isFurtherUp(messageId));
    if (from !== message.id && !isRead(message.id) && (await isBefore(message.id))) throw idTaken();

    const answerId = await freeId(async (chosen) => isRead(chosen) || (await isBefore(chosen)));
    const { created, revision, question } = await append(
      answerId,
      page ? conditionsOf(page, from) : creation,
    );
    const isTitled = page ? "title" in page.session.metadata : created && hasTitle;

    const cut = stored.findIndex((one) => one.id === from);
    // The message to replace is further up than what was read.
    const isBeyond = from !== undefined && cut < 0;
    const before = isBeyond
      ? messagesOf((await sessions.messages(id, { before: question.id, limit })).messages)
      : stored.slice(0, cut < 0 ? stored.length : cut);
    const newest = before.slice(Math.max(before.length - limit + 1, 0));
    return { messages: [...newest, question], revision, answerId, isTitled };
  });

  /** That the conversation is the one that was read. Other changes of the session are no reason to read again. */
  function conditionsOf(page: { messages: Message[]; revision: string }, from?: string): AppendOptions {
    const last = page.messages.at(-1);
    // These can change and keep their id: a question that is asked again, an answer that is continued.
    const keepsItsId =
      last !== undefined &&
      (!isMessage(last) ||
        last.role === "user" ||
        isOpen(last) ||
        interruption(last) !== undefined ||
        last.id === message.id);
    return keepsItsId ? { from, ifRevision: page.revision } : { from, after: last?.id ?? null };
  }
}

/**
 * Stores the page's answers to the tool calls at the end of the last message.
 *
 * @throws JourneyDbError as append; conflict if they were answered before or the conversation continued
 */
export async function storeToolAnswers<Message extends MessageShape>(
  sessions: AnySessions<Message>,
  id: string,
  sent: Message,
  limit: number,
): Promise<Begun<Message>> {
  return untilUnchanged(async () => {
    const page = await sessions.messages(id, { limit });
    const stored = messagesOf(page.messages);
    const answer = stored.at(-1);
    const isSame = answer?.role === "assistant" && answer.id === sent.id;
    const continued = isSame ? continuedAnswer(answer, sent) : undefined;
    if (!continued)
      throw new Refusal(
        "message: expected answers to all tool calls that wait at the end of the conversation",
      );
    const { revision } = await sessions.append(id, withoutDepthLimit(continued), {
      ifRevision: page.revision,
      leaveRoom: true,
    });
    return { messages: [...stored.slice(0, -1), continued], revision, answerId: sent.id, isTitled: true };
  });
}
