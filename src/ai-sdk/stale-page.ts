import type { MessageShape } from "../messages.js";
import { JourneyDbError } from "../model/errors.js";
import { hasContent } from "./parts.js";
import { isOpen } from "./tool-answers.js";
import { answerIdOf, type TurnRequest } from "./turn-request.js";

/** A conflict with what the page shows: reading the session again would not change it. */
export class Refusal extends JourneyDbError {
  constructor(problem: string) {
    super("conflict", `request.${problem}; nothing changed.`);
  }
}

export const idTaken = () =>
  new Refusal("message.id: expected a new one, or that of the user's last message");

/**
 * Whether the page shows all that is stored, or lacks only the answer to its last question, which a page
 * that stopped early never received. The strongest evidence comes first: the answers that its questions
 * wait for, then the last message that it shows, then what follows the question.
 *
 * @param own the stored message that the sent one repeats or replaces
 */
function isUpToDate(
  stored: readonly MessageShape[],
  own: MessageShape | undefined,
  sent: TurnRequest,
): boolean {
  const { after, known = [], replaces, answers, tried } = sent;
  const last = stored.findLast(hasContent);
  if (!last) return (after === null || sent.isFirst === true) && !sent.isOpen;

  const isKnown = (id: unknown) => id === after || known.some((one) => one === id);
  if (sent.isOpen && last.role !== "user" && isKnown(last.id) && !isOpen(last)) return false;

  const followingOf = (message: MessageShape) => stored.slice(stored.indexOf(message) + 1).filter(hasContent);
  const isOnlyAnswered = (question: MessageShape) =>
    followingOf(question).every(({ id }) => id === answerIdOf(question));

  // A question that was edited or asked again keeps its id, and waits for another answer.
  const isAmong = (ids: TurnRequest["answers"], { id, ...question }: MessageShape) =>
    ids && Object.hasOwn(ids, id) ? ids[id]?.some((one) => one === answerIdOf(question)) : undefined;
  const isChanged = (question: MessageShape) =>
    answerIdOf(question) !== undefined && isAmong(answers, question) === false;
  const isTold = (question: MessageShape) =>
    isAmong(tried, question) || (isAmong(answers, question) !== undefined && !isChanged(question));

  if (own && isChanged(own)) return false;
  if (own && isTold(own) && isOnlyAnswered(own)) return true;
  const asked = stored.findLast(({ id, role }) => role === "user" && isKnown(id));
  // A page that shows nothing after its last question lacks only the answer, even if another tab has asked
  // again.
  if (asked && isOnlyAnswered(asked) && (isTold(asked) || (!own && asked.id === after))) return true;
  if (asked && isChanged(asked)) return false;

  if (last.role !== "user" && isKnown(last.id)) return true;
  // A page shows an answer before it is stored.
  if (last.role === "user" && isKnown(answerIdOf(last))) return true;
  if (last.role === "user" && last !== own) return last.id === after;

  // The remaining pages cannot tell which answer their question waits for.
  if (own?.role === "user") {
    if (replaces && followingOf(own).every(({ role }) => role !== "user")) return true;
    const before = stored.slice(0, stored.indexOf(own));
    return isOnlyAnswered(own) && (after === null || before.some(({ id }) => id === after));
  }
  return false;
}

/**
 * Where the message of a request belongs: the id of the message that it replaces together with all that
 * follows, or undefined for the end of the conversation.
 *
 * @param stored the newest messages
 * @throws Refusal if the page is stale, or if the message would replace another one
 */
export function positionOf(stored: readonly MessageShape[], sent: TurnRequest): string | undefined {
  const { message, from, replaces } = sent;
  const own = stored.find(({ id }) => id === message.id);
  if (!isUpToDate(stored, own, sent)) {
    throw new Refusal(
      sent.isOpen ? "isOpen: the last answer has gone on" : "after: the conversation has gone on",
    );
  }
  if (!own) {
    // The answer will replace it.
    if (stored.some((question) => answerIdOf(question) === message.id)) throw idTaken();
    return from;
  }
  if (from !== undefined) {
    const cut = stored.findIndex(({ id }) => id === from);
    if (cut > stored.indexOf(own)) throw idTaken();
    return from;
  }
  const isLastQuestion = stored.findLast(({ role }) => role === "user") === own;
  if (own.role !== "user" || !(replaces || isLastQuestion)) throw idTaken();
  return own.id;
}
