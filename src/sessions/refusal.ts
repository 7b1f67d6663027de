import { JourneyDbError } from "../model/errors.js";
import type { Values } from "../queries/statement.js";
import type { RefusalRow } from "../queries/write.js";
import { TEXT_FACTOR } from "../validation/json.js";

export const sessionNotFound = () => new JourneyDbError("not_found", "The user has no session with this id.");

/** @param option the option that names the message */
export const messageNotFound = (option: "from" | "through" | "before") =>
  new JourneyDbError("not_found", `options.${option}: the session has no message with this id.`);

export const idTaken = () =>
  new JourneyDbError("conflict", "The id of the new session is taken; choose another.");

export const corrupt = (column: "messages" | "metadata") =>
  new JourneyDbError(
    "corrupt",
    `The stored ${column} is not ${column === "messages" ? "an array" : "an object"}; an older program may have written it. Run journey-db verify.`,
  );

/** Between the sessions of a batch, where no call is under way that the signal would end. */
export const exportAborted = () =>
  new JourneyDbError("timeout", "The signal was aborted; the export ended early.", { retryable: true });

export const leftOut = (sessions: number) =>
  new JourneyDbError(
    "corrupt",
    `Sessions left out: ${sessions}. Their stored messages are not an array or their metadata not an object; an older program may have written them. Run journey-db verify.`,
  );

/** @param values what the write was sent with; `room` are bytes that are to stay free */
export function tooLarge({ maxBytes, maxTextBytes, room }: Omit<Values, "userId">): JourneyDbError {
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

/**
 * The error of a write that changed nothing, in this order: there is no such session, it has
 * another revision, its row has another shape, there is no such message, a precondition does not
 * hold, it is too large. All may hold by now, since the row was read a second time.
 *
 * @param values what the write was sent with
 */
export function refusalError(row: RefusalRow | undefined, values: Omit<Values, "userId">): JourneyDbError {
  if (!row?.found) return row?.size === false ? tooLarge(values) : sessionNotFound();
  if (row.ifRevision === false) return conflict("ifRevision", "the session has changed since");
  if (row.messagesAreArray === false) return corrupt("messages");
  if (row.metadataIsObject === false) return corrupt("metadata");
  if (row.message === false) return messageNotFound("through" in values ? "through" : "from");
  if (row.after === false) return conflict("after", "the conversation ends with another message");
  if (row.phase === false) return conflict("from", "the session is in another phase");
  if (row.ifMatch === false) return conflict("ifMatch", "the stored metadata differs");
  if (row.size === false) return tooLarge(values);
  if (typeof values.newId === "string") return idTaken();
  return new JourneyDbError("conflict", "The session was changed at the same moment; nothing was written.", {
    retryable: true,
  });
}
