import { type MessageShape, messageIdSchema } from "../messages.js";
import { hasContent } from "./answer.js";
import { isOpen } from "./tool-answers.js";

/** Maximum ids in `known`. */
export const MAX_KNOWN = 100;

/** What startTurn reads of a request, beside what the application adds. */
export interface TurnRequest<Message = MessageShape> {
  /** The user's message, or the answer whose tool calls the page answered. */
  message: Message;
  /**
   * The message that the page shows last, apart from `message`; null where it shows none of the user's but this one,
   * and nothing behind it: what stands before is a greeting.
   */
  after: string | null;
  /**
   * Where it is not `after` alone: what the page shows from the last of the user's other messages on. An answer
   * among them that was never stored is the page's own, such as a greeting or a notice, and no reason to refuse.
   */
  known?: string[];
  /** That tool calls of the last answer wait for the page: it keeps its id when it goes on. */
  isOpen?: boolean;
  /** The message to drop with all that follows, where the turn replaces one. */
  from?: string;
  /**
   * That `message` replaces the one with its id, if that is stored, and all that follows: the page called the AI
   * SDK's own `regenerate()` or `sendMessage({ messageId })`.
   */
  replaces?: boolean;
}

/** A message as far as a later request needs it. */
interface Shown {
  id: string;
  role: MessageShape["role"];
  isOpen: boolean;
}

const shownOf = (messages: readonly MessageShape[]): Shown[] =>
  messages
    .filter((message) => hasContent(message) && messageIdSchema.safeParse(message.id).success)
    .map((message) => ({ id: message.id, role: message.role, isOpen: isOpen(message) }));

function knownBy(shown: readonly Shown[], sentId: string | undefined): KnownBy {
  const place = shown.findIndex(({ id }) => id === sentId);
  const others = shown.filter(({ id }) => id !== sentId);
  const question = others.findLastIndex(({ role }) => role === "user");
  const [first, ...rest] = others.slice(Math.max(question, 0));
  const tail = first ? [first, ...rest.slice(1 - MAX_KNOWN)] : [];
  const isGreeting = question < 0 && (place < 0 || place === shown.length - 1);
  const after = isGreeting ? null : (tail.at(-1)?.id ?? null);
  const known = tail.map(({ id }) => id);
  return {
    after,
    ...(known.some((id) => id !== after) && { known }),
    ...(tail.some(({ isOpen }) => isOpen) && { isOpen: true }),
  };
}

type KnownBy = Pick<TurnRequest, "after" | "known" | "isOpen">;

/** What startTurn compares with what is stored. */
export const knownOf = (messages: readonly MessageShape[], sentId: string | undefined): KnownBy =>
  knownBy(shownOf(messages), sentId);

/** Of each transport, and of each of its chats, what the page showed when it asked last. */
const shownLast = new WeakMap<object, Map<string, Shown[]>>();

/**
 * Makes the request that startTurn reads: only the last message travels, and the ids of the last others
 * that the page knows, so that a stale tab is refused. What the application gave as `body` goes along; the
 * names of `TurnRequest` are taken.
 *
 * The AI SDK's own `regenerate()` and `sendMessage({ text, messageId })` work too. They drop what they replace
 * before this is called, which is why it remembers what the page showed when it asked last. On a page
 * that has not asked yet they replace the last message of the user alone: an earlier one is for `turnsOf`.
 *
 * @example new DefaultChatTransport({ api, prepareSendMessagesRequest: turnRequest })
 */
export function turnRequest<Message extends MessageShape>(
  // The transport, whose method this becomes.
  this: unknown,
  {
    id = "",
    messages,
    body,
    trigger,
    messageId,
  }: {
    messages: Message[];
    body: Record<string, unknown> | undefined;
    id?: string | undefined;
    trigger?: string | undefined;
    messageId?: string | undefined;
  },
): { body: TurnRequest<Message | undefined> } {
  const message = messages.at(-1);
  const shown = shownOf(messages);
  const isObject = typeof this === "object" && this !== null;
  const chats = (isObject && shownLast.get(this)) || new Map<string, Shown[]>();
  const before = chats.get(id);
  chats.set(id, shown);
  if (isObject) shownLast.set(this, chats);

  const isDirect = trigger === "regenerate-message" || messageId !== undefined;
  // turnsOf says itself what the page shows.
  if (message?.role !== "user" || !isDirect || body?.after !== undefined)
    return { body: { ...knownBy(shown, message?.id), ...body, message } };
  return { body: { ...knownBy(before ?? shown, message.id), replaces: true, ...body, message } };
}
