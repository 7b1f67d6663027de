import { JourneyDbError } from "../errors.js";
import type { MessageShape } from "../messages.js";
import { hasContent } from "./answer.js";
import { answerIdOf } from "./store-answer.js";
import { isOpen } from "./tool-answers.js";
import type { TurnRequest } from "./turn-request.js";

/** A conflict with what the page knows, which no other look at the session changes. */
export class Refusal extends JourneyDbError {
  constructor(problem: string) {
    super("conflict", `request.${problem}; nothing changed.`);
  }
}

export const taken = () => new Refusal("message.id: expected a new one, or that of the user's last message");

/**
 * Whether the page has seen all that is stored. It has where it knows the last message; also where
 * that is the answer to the last question that it knows, which a page that stopped early never got, or where
 * the last is a question whose answer the page has before it is stored.
 *
 * @param own the stored message that the one of the request repeats or replaces
 */
function isUpToDate(
  stored: readonly MessageShape[],
  own: MessageShape | undefined,
  { after, known = [], isOpen: wasOpen, replaces }: TurnRequest,
): boolean {
  const last = stored.findLast(hasContent);
  if (!last) return after === null && !wasOpen;
  const isKnown = (id: unknown) => id === after || known.some((one) => one === id);
  const followingOf = (question: MessageShape) =>
    stored.slice(stored.indexOf(question) + 1).filter(hasContent);
  const onlyAnswered = (question: MessageShape) =>
    followingOf(question).every(({ id }) => id === answerIdOf(question));

  if (last.role === "user" && isKnown(answerIdOf(last))) return true;
  if (isKnown(last.id)) {
    // Behind an answer the page may show what it alone has. Behind a question that would be an answer that was dropped.
    return last.role === "user" ? after === last.id : !wasOpen || isOpen(last);
  }
  if (own?.role === "user") {
    if (replaces && followingOf(own).every(({ role }) => role !== "user")) return true;
    const before = stored.slice(0, stored.indexOf(own));
    if (onlyAnswered(own) && (after === null || before.some(({ id }) => id === after))) return true;
  }
  const question = stored.find(({ id, role }) => id === after && role === "user");
  return question !== undefined && onlyAnswered(question);
}

/**
 * Where the message of a request belongs: the message that it drops with all that follows, or undefined
 * where it goes to the end.
 *
 * @param stored the newest messages
 * @throws Refusal where the page is not up to date or the message would replace another one in its place
 */
export function placeOf(stored: readonly MessageShape[], sent: TurnRequest): string | undefined {
  const { message, from, replaces } = sent;
  const own = stored.find(({ id }) => id === message.id);
  if (!isUpToDate(stored, own, sent)) {
    throw new Refusal(
      sent.isOpen ? "isOpen: the last answer has gone on" : "after: the conversation has gone on",
    );
  }
  if (!own) return from;
  const place = stored.indexOf(own);
  if (from !== undefined) {
    const cut = stored.findIndex(({ id }) => id === from);
    if (cut > place) throw taken();
    return from;
  }
  const isLastQuestion = stored.findLast(({ role }) => role === "user") === own;
  if (own.role !== "user" || !(replaces || isLastQuestion)) throw taken();
  return own.id;
}
