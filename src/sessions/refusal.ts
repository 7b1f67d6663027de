import { JourneyDbError } from "../model/errors.js";
import type { Reason } from "../queries/write.js";
import { TEXT_FACTOR } from "../validation/json.js";
import type { Sent } from "./verb.js";

export const sessionNotFound = () => new JourneyDbError("not_found", "The user has no session with this id.");

/** @param option the option that names the message */
export const messageNotFound = (option: "from" | "through" | "before") =>
  new JourneyDbError("not_found", `options.${option}: the session has no message with this id.`);

export const corrupt = (column: "messages" | "metadata") =>
  new JourneyDbError(
    "corrupt",
    `The stored ${column} is not ${column === "messages" ? "an array" : "an object"}; an older program may have written it. Run journey-db verify.`,
  );

/** For a call of a handle that knows the column only. */
export const inRows = () =>
  new JourneyDbError(
    "configuration",
    "This session keeps its messages in rows. Set the option `messages` of defineJourney to messagesTable(table) of @aigos/journey-db/message-rows.",
  );

export const rowsDiffer = () =>
  new JourneyDbError(
    "corrupt",
    "The session has another number of messages than it says: some are missing, or a policy hides them. Run journey-db verify.",
  );

const timeNotOrdered = () =>
  new JourneyDbError(
    "corrupt",
    "The stored updated_at is infinity or after the year 294275, so no message can follow; an older program may have written it. Run journey-db verify.",
  );

const messageTooLarge = ({ maxMessageBytes }: Sent) =>
  new JourneyDbError(
    "too_large",
    `A message would exceed ${maxMessageBytes} bytes of JSON (maxMessageBytes); nothing changed.`,
  );

/** For a signal that is aborted between the sessions of a batch, when no call is running. */
export const exportAborted = () =>
  new JourneyDbError("timeout", "The signal was aborted; the export ended early.", { retryable: true });

export const leftOut = (sessions: number) =>
  new JourneyDbError(
    "corrupt",
    `Sessions left out: ${sessions}. Their stored messages are not an array or their metadata not an object; an older program may have written them. Run journey-db verify.`,
  );

function tooLarge({ maxBytes, maxTextBytes, room }: Sent): JourneyDbError {
  const free = Number(room ?? 0);
  const limit = `${Number(maxBytes) + free} bytes (maxSessionBytes)`;
  const asText = maxTextBytes === null ? "" : `, or ${TEXT_FACTOR} times as many as text`;
  return new JourneyDbError(
    "too_large",
    free === 0
      ? `The session would exceed ${limit}${asText}; nothing changed.`
      : `Less than ${free} of the session's ${limit}${asText} would stay free; nothing changed.`,
  );
}

const conflict = (option: string, difference: string) =>
  new JourneyDbError("conflict", `options.${option}: ${difference}; nothing changed.`);

const REFUSALS: Record<Reason, (values: Sent) => JourneyDbError> = {
  session: sessionNotFound,
  ifRevision: () => conflict("ifRevision", "the session has changed since"),
  metadata: () => corrupt("metadata"),
  messages: () => corrupt("messages"),
  message: (values) => messageNotFound("through" in values ? "through" : "from"),
  after: () => conflict("after", "the conversation ends with another message"),
  phase: () => conflict("from", "the session is in another phase"),
  ifMatch: () => conflict("ifMatch", "the stored metadata differs"),
  size: tooLarge,
  "message size": messageTooLarge,
  count: rowsDiffer,
  time: timeNotOrdered,
  rows: inRows,
  // A write that finds it goes on in the column.
  column: () => corrupt("messages"),
  id: () => new JourneyDbError("conflict", "The id of the new session is taken; choose another."),
};

/**
 * The error of a refused write.
 *
 * @param reason null if all conditions hold by now
 * @param values the values of the write
 */
export const refusalError = (reason: Reason | null, values: Sent): JourneyDbError =>
  reason
    ? REFUSALS[reason](values)
    : new JourneyDbError("conflict", "The session was changed at the same moment; nothing was written.", {
        retryable: true,
      });
