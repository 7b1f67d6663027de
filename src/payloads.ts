import type { z } from "zod";
import { JourneyDbError } from "./errors.js";
import { type JsonRules, toJson } from "./json.js";
import { type JourneyMessage, MESSAGE_ID_RULE, messageSchema, metadataSchema } from "./messages.js";
import { parse } from "./validate.js";

/** Checks messages and metadata and answers the JSON text that is stored of them. */
export interface Payloads {
  /** @param field what they are called in an error */
  messages(given: readonly unknown[], field: string): string;
  metadata(given: unknown, field: string): string;
  /** As metadata; of the application's schema only what concerns these keys is asked. */
  patch(given: unknown, field: string): string;
}

export function payloads(
  application: { message?: z.ZodType | undefined; metadata?: z.ZodType | undefined },
  rules: JsonRules,
): Payloads {
  const { knownKeys } = rules;

  function messages(given: readonly unknown[], field: string): string {
    // The application's schema sees what the caller passed, the structural rule what gets stored.
    if (application.message)
      for (const [n, one] of given.entries()) parse(application.message, one, `${field}[${n}]`, knownKeys);
    const { text, value } = toJson(given, field, rules);
    const seen = new Set<string>();
    for (const [n, one] of (value as JourneyMessage[]).entries()) {
      const { id } = parse(messageSchema, one, `${field}[${n}]`, knownKeys);
      // A repaired id could merge two messages, so it must be storable as it was passed.
      if (id !== (given[n] as JourneyMessage).id) {
        throw new JourneyDbError("invalid_input", `${field}[${n}].id: expected ${MESSAGE_ID_RULE}`);
      }
      if (seen.has(id)) throw new JourneyDbError("invalid_input", `${field}[${n}].id: expected each id once`);
      seen.add(id);
    }
    return text;
  }

  function plainObject(given: unknown, field: string): string {
    const { text, value } = toJson(given, field, rules);
    parse(metadataSchema, value, field, knownKeys);
    return text;
  }

  return {
    messages,
    metadata(given, field) {
      if (application.metadata) parse(application.metadata, given, field, knownKeys);
      return plainObject(given, field);
    },
    patch(given, field) {
      const text = plainObject(given, field);
      if (application.metadata) {
        const patch = given as Record<string, unknown>;
        const kept = Object.fromEntries(
          Object.entries(patch).filter(([, item]) => item !== null && item !== undefined),
        );
        parse(application.metadata, kept, field, knownKeys, ({ code, path }) =>
          path[0] === undefined
            ? code === "unrecognized_keys"
            : Object.hasOwn(patch, path[0]) && patch[path[0] as string] !== undefined,
        );
      }
      return text;
    },
  };
}
