import { type MessageShape, messageIdSchema } from "../messages.js";
import { hasContent } from "./parts.js";
import { isOpen } from "./tool-answers.js";

/** Maximum ids in `known`, and questions in `answers`. */
export const MAX_KNOWN = 100;

/** The answer that a stored user's message waits for. Other programs may have stored elements that are not messages. */
export const answerIdOf = (stored: { metadata?: unknown } | null | undefined): unknown =>
  (stored?.metadata as { answerId?: unknown } | null | undefined)?.answerId;

/** The fields of a request that startTurn reads. The application may add others. */
export interface TurnRequest<Message = MessageShape> extends Claim {
  /** The user's message, or the answer whose tool calls the page answered. */
  message: Message;
  /** The id of the message that the turn replaces, together with all that follows it. */
  from?: string;
  /**
   * Whether `message` replaces the stored one with its id, if any, and all that follows: the page called the AI SDK's
   * own `regenerate()` or `sendMessage({ messageId })`.
   */
  replaces?: boolean;
  /** The id for the answer, so that the page knows it before anything of the answer arrives. */
  answerId?: string;
}

/** What the page shows, as far as it is needed to tell whether the page is stale. */
interface Claim {
  /**
   * The last message that the page shows, apart from the one that it sends; null if that is the user's only
   * message and nothing follows it, so that anything before it is a greeting.
   */
  after: string | null;
  /**
   * What the page shows from the last question that is known to be stored, if that is more than `after`. Messages that
   * were never stored are the page's own (a greeting, a notice, a message that did not arrive) and do not make it stale.
   */
  known?: string[];
  /** Whether tool calls of the last answer wait for the page: an answer keeps its id when it is continued. */
  isOpen?: boolean;
  /** Whether no question of the page is known to be stored: the message is to create the session. */
  isFirst?: boolean;
  /**
   * The answers that the page's questions wait for, by the question's id. A stored question that waits for
   * another answer was asked again elsewhere.
   */
  answers?: Record<string, string[]>;
  /** Like `answers`, for questions that may also wait for other answers, as far as the page knows. */
  tried?: Record<string, string[]>;
}

/** A message of the page, as far as a claim needs it. */
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

/** The key under which `turnsOf` passes what the page shows to turnRequest. JSON leaves symbols out, so it is in no request. */
export const SHOWN = Symbol("shown");

/** What a transport remembers of a chat: the AI SDK drops messages that are replaced before it calls turnRequest. */
interface Memory {
  /** What the page showed at the last request. */
  shown?: Shown[];
  /** The claim of the last request, which may have arrived or not. */
  last?: { id: string; claim: Claim & Pick<TurnRequest, "from" | "replaces"> };
  /** The ids of the requested answers, by the question's id, and whether the question cannot wait for any other. */
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

/** A replacement for crypto.randomUUID, which pages of an insecure origin do not have. */
function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, "$1-$2-4$3-8$4-$5");
}

function claimOf(shown: readonly Shown[], sentId: string | undefined, memory: Memory | undefined): Claim {
  const index = shown.findIndex(({ id }) => id === sentId);
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
  const isGreeting = others.every(({ role }) => role !== "user") && (index < 0 || index === shown.length - 1);
  const after = isGreeting ? null : (tail.at(-1)?.id ?? null);
  const known = tail.map(({ id }) => id);

  const own = shown[index];
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
 * Makes the request that startTurn reads. It contains only the last message, and what the page shows, so that a
 * stale tab is refused. The application's `body` is sent too, except for the names of `TurnRequest`.
 *
 * The AI SDK's own `regenerate()` and `sendMessage({ text, messageId })` work as well. They drop what they replace
 * before they call this function, so it remembers what the page showed at the last request: pass it to the
 * transport directly, not wrapped in another function. Before the first request of a page, they can only replace
 * the user's last message; use `turnsOf` for earlier ones.
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
  // After the question there may be a notice of the page, or an answer that never began.
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
  // Asked before, and no answer to it is shown: what follows it is a notice of the page.
  const isMaybeLost = asked !== undefined && !view.some(({ id }) => asked.ids.includes(id));
  const last = memory?.last;
  // The last request may not have arrived. Then what it replaced is still stored, but no longer shown.
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
  // The page's copy names the answer that it waits for, unless the AI SDK has replaced it.
  const isSure = asked?.isSure ?? (!isDirect || own !== undefined);
  const before = asked?.ids ?? (typeof own?.answerId === "string" ? [own.answerId] : []);
  memory.asked.set(message.id, { ids: [...before, answerId], isSure });
  return { body: { ...request, answerId } };
}
