import * as z from "zod";
import { phaseSchema, sessionIdSchema, userIdSchema } from "../messages.js";
import { isSessionId, isUserId } from "../model/text.js";
import { MESSAGE_KEYS } from "./json.js";
import { callOptions, type JourneyOptions, journeyOptionsSchema, OPTION_KEYS } from "./options.js";
import { declaredKeys, parseOptions } from "./parse.js";
import { payloads } from "./payloads.js";

/**
 * How the arguments of a journey's calls are checked, by the application's own types and limits.
 *
 * @throws JourneyDbError invalid_input for an option that is not usable
 */
export function argumentsOf<Message, Metadata, Phase extends string>(
  options: JourneyOptions<Message, Metadata, Phase>,
) {
  const knownKeys = new Set([...OPTION_KEYS, ...MESSAGE_KEYS]);
  const journey = parseOptions(journeyOptionsSchema, options, "options", knownKeys);
  for (const key of [...declaredKeys(options.message), ...declaredKeys(options.metadata)]) knownKeys.add(key);

  const phaseRule = journey.phases ? z.enum(journey.phases) : phaseSchema;
  const checked = <T>(schema: z.ZodType<T>, given: unknown, field = "options") =>
    parseOptions(schema, given, field, knownKeys);
  /** Every call has these: the schema is asked only to explain what does not hold. */
  const quick = (holds: (id: string) => boolean, schema: z.ZodType<string>, given: unknown, field: string) =>
    typeof given === "string" && holds(given) ? given : checked(schema, given, field);
  const noOptions = new Map<z.ZodType, unknown>();
  const { unstorable, maxSessionBytes: maxBytes } = journey;
  return {
    journey,
    phaseRule,
    schemas: callOptions(phaseRule),
    json: payloads(options, { unstorable, maxBytes, knownKeys }),
    checked,
    userIdOf: (given: unknown) => quick(isUserId, userIdSchema, given, "userId"),
    sessionIdOf: (given: unknown) => quick(isSessionId, sessionIdSchema, given, "id"),
    /** That there are none is the most frequent case, and is checked once. */
    optionsOf<T>(schema: z.ZodType<T>, given: unknown): T {
      if (given !== undefined) return checked(schema, given);
      if (!noOptions.has(schema)) noOptions.set(schema, checked(schema, {}));
      return noOptions.get(schema) as T;
    },
  };
}
