import { getTableName } from "drizzle-orm";
import * as z from "zod";
import { phaseSchema, sessionIdSchema, userIdSchema } from "../messages.js";
import { JourneyDbError } from "../model/errors.js";
import { isSessionId, isUserId } from "../model/text.js";
import {
  type JourneyTable,
  MESSAGE_ROWS,
  type MessagesTable,
  qualifiedName,
  REPLIES,
  type SessionTable,
} from "../schema.js";
import { type JourneyOptions, journeyOptionsSchema } from "./journey-options.js";
import { MESSAGE_KEYS, TEXT_FACTOR } from "./json.js";
import { LARGEST_JSONB } from "./options.js";
import { ownColumnsOf } from "./own-columns.js";
import { declaredKeys, parse } from "./parse.js";
import { payloads } from "./payloads.js";

export type Arguments = ReturnType<typeof argumentsOf>;

const DEFAULT_PHASE = "setup";
const NO_METADATA = { text: "{}", isWide: false };
/** The most bytes that `leaveRoom` keeps free. */
const LARGEST_ROOM = 64 * 1024;

/**
 * Checks the arguments of a journey's calls against the application's own types and limits.
 *
 * @throws JourneyDbError invalid_input for an invalid option
 */
export function argumentsOf<Message, Metadata, Phase extends string, Table extends JourneyTable>(
  options: JourneyOptions<Message, Metadata, Phase, Table, MessagesTable<Table> | undefined>,
) {
  const {
    table,
    messages,
    replies,
    listener,
    distributed,
    columns,
    phases,
    maxSessionBytes,
    maxMessageBytes = maxSessionBytes,
    unstorable,
    timeoutMs,
    prepare,
  } = parse(journeyOptionsSchema, options);
  const brought = { messages: messages?.[MESSAGE_ROWS], replies: replies?.[REPLIES] };
  for (const [name, one] of Object.entries(brought))
    if (one && qualifiedName(one.sessions) !== qualifiedName(table))
      throw new JourneyDbError(
        "invalid_input",
        `${name}: expected the ${name} of the table ${qualifiedName(table)}`,
      );
  const knownKeys = new Set([
    ...MESSAGE_KEYS,
    ...declaredKeys(options.message),
    ...declaredKeys(options.metadata),
    ...Object.values(columns).flatMap(declaredKeys),
  ]);
  const phaseRule: z.ZodType<string> = phases ? z.enum(phases) : phaseSchema;
  const largestRoom = Math.min(LARGEST_ROOM, Math.floor(maxSessionBytes / 8));
  const rules = { unstorable, maxBytes: maxSessionBytes, knownKeys };
  // Rows have no common limit; the server checks each.
  const json = payloads(options, rules, messages ? { ...rules, maxBytes: LARGEST_JSONB } : rules);
  /** Checks an argument that every call has. The schema runs only to explain a failure. */
  const checkId = (
    isValid: (id: string) => boolean,
    schema: z.ZodType<string>,
    given: unknown,
    field: string,
  ) => (typeof given === "string" && isValid(given) ? given : parse(schema, given, field));
  const requiredPhase = (given: unknown, field: string) => parse(phaseRule, given, field);

  return {
    timeoutMs,
    prepare,
    /** Of the table of messages; undefined for messages in the column. */
    layoutOfMessages: brought.messages?.layout,
    /** The calls of the table of replies; undefined without durable replies. */
    callsOfReplies: brought.replies,
    listener,
    distributed,
    table: table as unknown as SessionTable,
    tableName: getTableName(table),
    /** The application's own columns. */
    own: ownColumnsOf(table, columns, rules),
    /** The phase of a new session. */
    firstPhase: phases?.[0] ?? DEFAULT_PHASE,
    json,
    requiredPhase,
    phase: (given: unknown, field: string) => (given === undefined ? undefined : requiredPhase(given, field)),
    /** The metadata of a new session. */
    metadata: (given: unknown, field: string) =>
      given === undefined ? NO_METADATA : json.metadata(given, field),
    userId: (given: unknown) => checkId(isUserId, userIdSchema, given, "userId"),
    sessionId: (given: unknown) => checkId(isSessionId, sessionIdSchema, given, "id"),
    /** @param leaveRoom whether to keep `room` bytes free */
    limits(isWide: boolean, leaveRoom = false) {
      const room = leaveRoom ? largestRoom : 0;
      const maxBytes = maxSessionBytes - room;
      return { maxBytes, maxTextBytes: isWide ? TEXT_FACTOR * maxBytes : null, room, maxMessageBytes };
    },
  };
}
