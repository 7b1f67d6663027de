import * as z from "zod";
import { phaseSchema, sessionIdSchema, userIdSchema } from "../messages.js";
import { isSessionId, isUserId } from "../model/text.js";
import { MESSAGE_KEYS, TEXT_FACTOR } from "./json.js";
import { type JourneyOptions, journeyOptionsSchema, requestOptionsSchema } from "./options.js";
import { declaredKeys, parseOptions } from "./parse.js";
import { payloads } from "./payloads.js";

export type Arguments = ReturnType<typeof argumentsOf>;

const DEFAULT_PHASE = "setup";
const NO_METADATA = { text: "{}", isWide: false };
/** Bytes that `leaveRoom` keeps free at most. */
const LARGEST_ROOM = 64 * 1024;

/**
 * How the arguments of a journey's calls are checked, by the application's own types and limits.
 *
 * @param optionKeys names of options, which may be shown in an error
 * @throws JourneyDbError invalid_input for an option that is not usable
 */
export function argumentsOf<Message, Metadata, Phase extends string>(
  options: JourneyOptions<Message, Metadata, Phase>,
  optionKeys: readonly string[],
) {
  const ownKeys = [journeyOptionsSchema, requestOptionsSchema].flatMap(({ shape }) => Object.keys(shape));
  const knownKeys = new Set([...ownKeys, ...optionKeys, ...MESSAGE_KEYS]);
  const { phases, maxSessionBytes, unstorable, timeoutMs, prepare } = parseOptions(
    journeyOptionsSchema,
    options,
    "options",
    knownKeys,
  );
  for (const key of [...declaredKeys(options.message), ...declaredKeys(options.metadata)]) knownKeys.add(key);

  const phaseRule: z.ZodType<string> = phases ? z.enum(phases) : phaseSchema;
  const largestRoom = Math.min(LARGEST_ROOM, Math.floor(maxSessionBytes / 8));
  const json = payloads(options, { unstorable, maxBytes: maxSessionBytes, knownKeys });
  /** Also of options: left out, they are `{}`. */
  const checked = <T>(schema: z.ZodType<T>, given: unknown, field = "options") =>
    parseOptions(schema, given, field, knownKeys);
  /** Every call has these: the schema is asked only to explain what does not hold. */
  const quick = (holds: (id: string) => boolean, schema: z.ZodType<string>, given: unknown, field: string) =>
    typeof given === "string" && holds(given) ? given : checked(schema, given, field);
  const requiredPhase = (given: unknown, field: string) => checked(phaseRule, given, field);

  return {
    timeoutMs,
    prepare,
    /** The phase of a new session. */
    firstPhase: phases?.[0] ?? DEFAULT_PHASE,
    json,
    checked,
    requiredPhase,
    phase: (given: unknown, field: string) => (given === undefined ? undefined : requiredPhase(given, field)),
    /** Of a new session. */
    metadata: (given: unknown, field: string) =>
      given === undefined ? NO_METADATA : json.metadata(given, field),
    userId: (given: unknown) => quick(isUserId, userIdSchema, given, "userId"),
    sessionId: (given: unknown) => quick(isSessionId, sessionIdSchema, given, "id"),
    /** @param leaveRoom whether bytes are to stay free: `room` of them */
    limits(isWide: boolean, leaveRoom = false) {
      const room = leaveRoom ? largestRoom : 0;
      const maxBytes = maxSessionBytes - room;
      return { maxBytes, maxTextBytes: isWide ? TEXT_FACTOR * maxBytes : null, room };
    },
  };
}
