import type * as z from "zod";
import {
  type JourneyMessage,
  MESSAGE_ID_RULE,
  messageSchema,
  metadataSchema,
  structureOf,
} from "../messages.js";
import { JourneyDbError } from "../model/errors.js";
import { isObject, type Json, type JsonRules, TEXT_FACTOR, toJson } from "./json.js";
import { parse } from "./parse.js";

/** The JSON text to store, and whether its size as text must be checked too. */
type Storable = Pick<Json, "text" | "isWide">;

/** Checks messages and metadata and returns the JSON to store. */
export interface Payloads {
  /** @param field the name of the messages in an error */
  messages(given: readonly unknown[], field: string): Storable;
  metadata(given: unknown, field: string): Storable;
  /** Checks a patch of metadata: only its keys, by the application's schema; null removes a key. */
  patch(given: unknown, field: string): Storable;
  /** As `patch`, but any key may be null, since any stored key may be absent. */
  match(given: unknown, field: string): string;
  /** Checks metadata that a search asks for, of which only its form is known. */
  contained(given: unknown, field: string): string;
  /** As `patch`, for a deep merge: the steps of `queries/merge-metadata.ts`. The schema checks no object within it. */
  deepPatch(given: unknown, field: string): Storable;
}

/** Objects of a deep patch: each is a step, which copies the metadata. */
const MOST_OBJECTS = 1000;

const isGiven = ([, item]: [string, unknown]) => item !== null && item !== undefined;

/** @throws JourneyDbError too_large if the text that PostgreSQL returns of the value would be */
export function storableJson(
  { text, isWide, textBytes }: Json,
  field: string,
  { maxBytes }: JsonRules,
): Storable {
  const most = TEXT_FACTOR * maxBytes;
  if (textBytes <= most) return { text, isWide };
  throw new JourneyDbError(
    "too_large",
    `${field}: expected at most ${most} bytes of JSON text, numbers without exponents`,
  );
}

export function payloads(
  application: { message?: z.ZodType | undefined; metadata?: z.ZodType | undefined },
  rules: JsonRules,
  messageRules: JsonRules = rules,
): Payloads {
  const { knownKeys } = rules;

  function messages(given: readonly unknown[], field: string): Storable {
    const json = toJson(given, field, messageRules);
    const seen = new Set<string>();
    for (const [n, one] of (json.value as JourneyMessage[]).entries()) {
      const { id } = parse(messageSchema, structureOf(one), `${field}[${n}]`, knownKeys);
      // Two repaired ids could be equal, so an id must be storable unchanged.
      if (id !== (given[n] as JourneyMessage).id) {
        throw new JourneyDbError("invalid_input", `${field}[${n}].id: expected ${MESSAGE_ID_RULE}`);
      }
      if (seen.has(id)) throw new JourneyDbError("invalid_input", `${field}[${n}].id: expected each id once`);
      seen.add(id);
      // The application's schema checks the caller's object, the structural rule what is stored.
      if (application.message) parse(application.message, given[n], `${field}[${n}]`, knownKeys);
    }
    return storableJson(json, field, messageRules);
  }

  function plainObject(given: unknown, field: string): Json {
    const json = toJson(given, field, rules);
    // Faster than the schema, which visits each key. The schema only explains the failure.
    if (!json.text.startsWith("{")) parse(metadataSchema, json.value, field, knownKeys);
    return json;
  }

  /** @param concerns which keys the application's schema checks */
  function someKeys(given: unknown, field: string, concerns: (entry: [string, unknown]) => boolean): Json {
    const json = plainObject(given, field);
    if (application.metadata) {
      const entries = Object.entries(given as object);
      const asked = new Set(entries.filter(concerns).map(([key]) => key));
      const kept = Object.fromEntries(entries.filter(isGiven));
      parse(application.metadata, kept, field, knownKeys, ({ code, path: [key] }) =>
        key === undefined ? code === "unrecognized_keys" : asked.has(String(key)),
      );
    }
    return json;
  }

  /** One step for each object of the patch, outermost first: its path, as PostgreSQL reads an array, and its other values. */
  function stepsOf(patch: object, field: string): { path: string; patch: object }[] {
    const steps: { path: string; patch: object }[] = [];
    let characters = 0;
    const walk = (object: object, path: readonly string[]) => {
      const [nested, whole] = [true, false].map((isNested) =>
        Object.entries(object).filter(([, item]) => isObject(item) === isNested),
      ) as [[string, object][], [string, unknown][]];
      const text = `{${path.map((key) => `"${key.replaceAll(/["\\]/g, "\\$&")}"`).join(",")}}`;
      steps.push({ path: text, patch: Object.fromEntries(whole) });
      characters += text.length;
      if (steps.length > MOST_OBJECTS || characters > rules.maxBytes) {
        throw new JourneyDbError(
          "too_large",
          `${field}: expected at most ${MOST_OBJECTS} objects, in few levels`,
        );
      }
      for (const [key, item] of nested) walk(item, [...path, key]);
    };
    walk(patch, []);
    return steps;
  }

  return {
    messages,
    metadata(given, field) {
      if (application.metadata) parse(application.metadata, given, field, knownKeys);
      return storableJson(plainObject(given, field), field, rules);
    },
    patch: (given, field) =>
      storableJson(
        someKeys(given, field, ([, item]) => item !== undefined),
        field,
        rules,
      ),
    match: (given, field) => someKeys(given, field, isGiven).text,
    contained: (given, field) => plainObject(given, field).text,
    deepPatch(given, field) {
      const isWhole = ([, item]: [string, unknown]) => item !== undefined && !isObject(item);
      const json = someKeys(given, field, isWhole);
      return {
        ...storableJson(json, field, rules),
        text: JSON.stringify(stepsOf(json.value as object, field)),
      };
    },
  };
}
