import { type MessageShape, messageIdSchema } from "../messages.js";
import { answerIdOf, hasContent } from "./interruption.js";
import { isOpen } from "./tool-answers.js";

/** Maximum ids in `known`, and questions in `answers`. */
export const MAX_KNOWN = 100;

/** What startTurn reads of a request, beside what the application adds. */
export interface TurnRequest<Message = MessageShape> extends Claim {
  /** The user's message, or the answer whose tool calls the page answered. */
  message: Message;
  /** The message to drop with all that follows, where the turn replaces one. */
  from?: string;
  /**
   * That `message` replaces the one with its id, if that is stored, and all that follows: the page called the AI
   * SDK's own `regenerate()` or `sendMessage({ messageId })`.
   */
  replaces?: boolean;
  /** The id that the answer is to have, so that the page knows it before anything of the answer arrives. */
  answerId?: string;
}

/** What the page shows, as far as it tells whether the page is up to date. */
interface Claim {
  /**
   * The message that the page shows last, apart from the one that is sent; null where it shows none of the user's but
   * that one, and nothing behind it: what stands before is a greeting.
   */
  after: string | null;
  /**
   * Where it is not `after` alone: what the page shows from the last question on that is known to be stored. What was
   * never stored among them is the page's own (a greeting, a notice, a message that did not arrive), and no reason to refuse.
   */
  known?: string[];
  /** That tool calls of the last answer wait for the page: it keeps its id when it goes on. */
  isOpen?: boolean;
  /** That no question of the page is known to be stored: the message is to create the session. */
  isFirst?: boolean;
  /** The answers that the page's questions may wait for, by the question's id: one that waits for another was asked again elsewhere. */
  answers?: Record<string, string[]>;
  /** As `answers`, of questions that may wait for others too, as far as the page knows. */
  tried?: Record<string, string[]>;
}

/** A message as far as a claim needs it. */
interface Shown {
  id: string;
  role: MessageShape["role"];
  isOpen: boolean;
  answerId: unknown;
}

export const shownOf = (messages: readonly MessageShape[]): Shown[] =>
  messages
    .filter((message) => hasContent(message) && messageIdSchema.safeParse(message.id).success)
    .map((message) => ({
      id: message.id,
      role: message.role,
      isOpen: isOpen(message),
      answerId: answerIdOf(message),
    }));

/** The key under which `turnsOf` tells turnRequest what the page shows before a cut. It is in no request: JSON has no symbols. */
export const SHOWN = Symbol("shown");

/** What is remembered of a chat, by its transport: the AI SDK tells turnRequest only what is left after a cut. */
interface Memory {
  /** What the page showed when it asked last. */
  shown?: Shown[];
  /** What it said of the message that it sent last, which may have arrived or not. */
  last?: { id: string; claim: Claim & Pick<TurnRequest, "from" | "replaces"> };
  /** The ids of the answers that it asked for, by the question's id, and whether the question can wait for no other. */
  asked: Map<string, { ids: string[]; isSure: boolean }>;
}

const memories = new WeakMap<object, Map<string, Memory>>();

function memoryOf(transport: unknown, chatId: string): Memory | undefined {
  if (typeof transport !== "object" || !transport || !("prepareSendMessagesRequest" in transport))
    return undefined;
  const chats = memories.get(transport) ?? new Map<string, Memory>();
  memories.set(transport, chats);
  const memory = chats.get(chatId) ?? { asked: new Map() };
  chats.set(chatId, memory);
  return memory;
}

/** An id as crypto.randomUUID makes it, which pages of an insecure origin do not have. */
function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, "$1-$2-4$3-8$4-$5");
}

function claimOf(shown: readonly Shown[], sentId: string | undefined, memory: Memory | undefined): Claim {
  const place = shown.findIndex(({ id }) => id === sentId);
  const others = shown.filter(({ id }) => id !== sentId);
  const hasAnswer = (ids: readonly string[]) => others.some(({ id }) => ids.includes(id));
  /** Whether the page knows that the message reached the server. */
  const isStored = ({ id, role, answerId }: Shown, n: number): boolean => {
    if (role !== "user") return false;
    const asked = memory?.asked.get(id);
    return asked ? hasAnswer(asked.ids) : answerId !== undefined || others[n + 1]?.role === "assistant";
  };
  const question = others.findLastIndex(isStored);
  const [first, ...rest] = others.slice(Math.max(question, 0));
  const tail = first ? [first, ...rest.slice(1 - MAX_KNOWN)] : [];
  const isGreeting = others.every(({ role }) => role !== "user") && (place < 0 || place === shown.length - 1);
  const after = isGreeting ? null : (tail.at(-1)?.id ?? null);
  const known = tail.map(({ id }) => id);

  const own = shown[place];
  const awaited = [...tail, ...(own ? [own] : [])].flatMap(({ id, role, answerId }) => {
    const asked = memory?.asked.get(id);
    const ids = [...(asked?.ids ?? []), ...(typeof answerId === "string" ? [answerId] : [])];
    const isSure = asked === undefined || asked.isSure || hasAnswer(asked.ids);
    return role === "user" && ids.length > 0 ? [{ id, ids: ids.slice(-MAX_KNOWN), isSure }] : [];
  });
  const of = (sure: boolean) =>
    awaited.flatMap(({ id, ids, isSure }) => (isSure === sure ? [[id, ids]] : [])).slice(-MAX_KNOWN);
  const [answers, tried] = [of(true), of(false)];
  return {
    after,
    ...(known.some((id) => id !== after) && { known }),
    ...(tail.some(({ isOpen }) => isOpen) && { isOpen: true }),
    ...(memory && question < 0 && after !== null && { isFirst: true }),
    ...(answers.length > 0 && { answers: Object.fromEntries(answers) }),
    ...(tried.length > 0 && { tried: Object.fromEntries(tried) }),
  };
}

/**
 * Makes the request that startTurn reads: only the last message travels, and what tells whether the page has
 * seen all that is stored, so that a stale tab is refused. What the application gave as `body` goes along; the
 * names of `TurnRequest` are taken.
 *
 * The AI SDK's own `regenerate()` and `sendMessage({ text, messageId })` work too. They drop what they replace
 * before this is called, which is why it remembers what the page showed when it asked last: so give it to the
 * transport as it is, not wrapped in another function. On a page that has not asked yet they replace the last message
 * of the user alone: an earlier one is for `turnsOf`.
 *
 * @example new DefaultChatTransport({ api, prepareSendMessagesRequest: turnRequest })
 */
export function turnRequest<Message extends MessageShape>(
  // The transport, whose method this becomes.
  this: unknown,
  {
    id = "",
    messages,
    body = {},
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
  // Behind the question there may be a notice of the page's, or an answer that never began.
  const isRegenerated = trigger === "regenerate-message";
  const question = isRegenerated ? messages.findLast(({ role }) => role === "user") : undefined;
  const message = question ?? messages.at(-1);
  const memory = memoryOf(this, id);
  const shown = shownOf(messages);
  if (message?.role !== "user") {
    if (memory) memory.shown = shown;
    return { body: { ...claimOf(shown, message?.id, memory), ...body, message } };
  }

  const whole = (body as { [SHOWN]?: Shown[] })[SHOWN];
  const isDirect = !whole && (isRegenerated || messageId !== undefined);
  const view = whole ?? (isDirect ? memory?.shown : undefined) ?? shown;
  const now = claimOf(view, message.id, memory);
  const asked = memory?.asked.get(message.id);
  // Asked before, and no answer to it is shown: what stands behind it is a notice of the page's.
  const isMaybeLost = asked !== undefined && !view.some(({ id }) => asked.ids.includes(id));
  const last = memory?.last;
  // The request before may not have arrived, so that what it dropped is stored still, and shown no longer.
  const isRepeated = last?.id === message.id && isMaybeLost && (isDirect || whole !== undefined);
  const { from, ...rest } = body;
  const isReplacing = typeof from === "string" && !isMaybeLost;
  const claim: Claim & Pick<TurnRequest, "from" | "replaces"> = isRepeated
    ? {
        ...last.claim,
        answers: { ...last.claim.answers, ...now.answers },
        tried: { ...last.claim.tried, ...now.tried },
      }
    : { ...now, ...(isReplacing ? { from } : (isDirect || from !== undefined) && { replaces: true }) };
  const request = { ...rest, ...claim, message } as TurnRequest<Message>;
  if (!memory) return { body: request };

  memory.shown = shown;
  memory.last = { id: message.id, claim };
  const answerId = newId();
  const own = view.find(({ id }) => id === message.id);
  // The page's copy says what it waited for, unless the AI SDK has put another in its place.
  const isSure = asked?.isSure ?? (!isDirect || own !== undefined);
  const before = asked?.ids ?? (typeof own?.answerId === "string" ? [own.answerId] : []);
  memory.asked.set(message.id, { ids: [...before, answerId], isSure });
  return { body: { ...request, answerId } };
}
