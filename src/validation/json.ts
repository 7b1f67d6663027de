import { JourneyDbError } from "../model/errors.js";
import { isStorable, toStorable } from "../model/text.js";

/** How to treat text that jsonb cannot store: U+0000 and lone surrogates. */
export type Unstorable = "replace" | "reject";

export interface JsonRules {
  unstorable: Unstorable;
  /** An upper limit for a value. This check is approximate; the server measures exactly. */
  maxBytes: number;
  /** Keys that may be shown in an error. A user may have written any other. */
  knownKeys: ReadonlySet<string>;
}

/** The limit of a value's size as text, as a multiple of the limit as jsonb. Text that cannot exceed it is not measured. */
export const TEXT_FACTOR = 2;

/** Levels of nesting that are accepted. */
const MAX_DEPTH = 500;

const ofAnyDepth = new WeakSet<object>();

/** Exempts a value from the depth limit: an answer must be stored, since it was already streamed to its user. */
export function withoutDepthLimit<Value extends object>(value: Value): Value {
  ofAnyDepth.add(value);
  return value;
}

/** Fields of AI SDK messages, safe to name in an error. */
export const MESSAGE_KEYS: readonly string[] = (
  "id role parts metadata type text state input output data url mediaType filename toolCallId toolName " +
  "errorText rawInput providerMetadata callProviderMetadata providerExecuted preliminary approval approved " +
  "reason sourceId title content createdAt usage model finishReason"
).split(" ");

type Path = readonly (string | number)[];

/** `messages[0].parts[1].output.<key 3>`: keys that a user wrote are counted, not shown. */
export function pathOf(field: string, path: Path): string {
  const shown = path.slice(0, 12).map((step) => (typeof step === "number" ? `[${step}]` : `.${step}`));
  return field + shown.join("") + (path.length > shown.length ? "…" : "");
}

/** A value as it is stored: its JSON text, and that text parsed. */
export interface Json {
  text: string;
  value: unknown;
  /** The minimum size of the text that PostgreSQL returns, which has spaces and writes 1e300 with all its zeros. */
  textBytes: number;
  /** Whether that text may be more than twice as large as the jsonb. */
  isWide: boolean;
}

/**
 * Converts a value to JSON. Drops undefined properties, calls `toJSON` (a Date becomes an ISO string), and refuses
 * everything else that JSON would change silently. Replaces or refuses text that jsonb cannot store.
 *
 * @throws JourneyDbError invalid_input, or too_large if the value cannot fit in `maxBytes`
 */
export function toJson(given: unknown, field: string, rules: JsonRules): Json {
  // The minimum size as jsonb: 4 bytes per key and value, plus 1 per UTF-16 unit of text, 6 or more
  // per number, 4 per array or object. Counting stops a small graph of shared references from
  // expanding without limit.
  let atLeast = 0;
  // Bytes that PostgreSQL's text has in addition to JSON.stringify's.
  let added = 0;
  const path: (string | number)[] = [];

  const refuse = (what: string): never => {
    throw new JourneyDbError("invalid_input", `${pathOf(field, path)}: ${what}`);
  };

  const count = (bytes: number) => {
    atLeast += bytes;
    if (atLeast > rules.maxBytes) {
      throw new JourneyDbError("too_large", `${field}: expected at most ${rules.maxBytes} bytes of JSON`);
    }
  };

  const textOf = (text: string): string => {
    count(text.length);
    if (isStorable(text)) return text;
    if (rules.unstorable === "reject") refuse("expected well-formed text without U+0000");
    return toStorable(text);
  };

  const copy = (unread: unknown, key: string, level: number): unknown => {
    count(4);
    const item = resolve(unread, key);
    if (item === null || typeof item === "boolean") return item;
    if (typeof item === "string") return textOf(item);
    if (typeof item === "number") {
      if (!Number.isFinite(item)) refuse(`expected a finite number, received ${item}`);
      count(item === 0 ? 6 : 8);
      added += zerosOf(item);
      return item;
    }
    if (typeof item !== "object") return refuse(`expected a JSON value, received ${typeof item}`);
    count(4);
    const depth = ofAnyDepth.has(item) ? Number.NEGATIVE_INFINITY : level;
    if (depth > MAX_DEPTH) refuse(`expected JSON of at most ${MAX_DEPTH} levels without cycles`);
    return Array.isArray(item) ? copyArray(item, depth) : copyObject(item, depth);
  };

  const resolve = (item: unknown, key: string): unknown => {
    if (typeof item !== "object" || item === null) return item;
    if (item instanceof Date && Number.isNaN(item.getTime())) refuse("expected a valid Date");
    const { toJSON } = item as { toJSON?: unknown };
    return typeof toJSON === "function" ? toJSON.call(item, key) : item;
  };

  const copyArray = (items: readonly unknown[], depth: number) => {
    const copied: unknown[] = [];
    added += Math.max(items.length - 1, 0);
    for (let index = 0; index < items.length; index++) {
      path.push(index);
      copied.push(copy(items[index], String(index), depth + 1));
      path.pop();
    }
    return copied;
  };

  const copyObject = (object: object, depth: number) => {
    if (!isPlainObject(object)) refuse("expected a plain object, an array or a Date");
    if (Object.getOwnPropertySymbols(object).length > 0) refuse("expected no symbol keys");
    const copied: Record<string, unknown> = {};
    let position = 0;
    let kept = 0;
    for (const [key, item] of Object.entries(object)) {
      position++;
      if (item === undefined) continue;
      count(4);
      added += kept++ === 0 ? 1 : 2;
      path.push(rules.knownKeys.has(key) ? key : `<key ${position}>`);
      const stored = textOf(key);
      if (Object.hasOwn(copied, stored))
        refuse("expected keys that differ after U+0000 and lone surrogates are replaced");
      const value = copy(item, key, depth + 1);
      if (!(stored in copied)) copied[stored] = value;
      // Assigning __proto__ would set the prototype, and assigning a key that a frozen prototype has would throw.
      else Object.defineProperty(copied, stored, { value, enumerable: true });
      path.pop();
    }
    return copied;
  };

  try {
    const value = copy(given, "", 1);
    const text = JSON.stringify(value);
    const textBytes = text.length + added;
    return { text, value, textBytes, isWide: textBytes > TEXT_FACTOR * atLeast };
  } catch (error) {
    if (error instanceof JourneyDbError) throw error;
    // A getter, a Proxy or a toJSON of the caller threw, or the text is too long for a JavaScript string.
    return refuse("expected a value that can be read as JSON");
  }
}

/** Additional characters of a number (1e21, 1.5e-7) without an exponent, as PostgreSQL writes it. */
function zerosOf(item: number): number {
  const size = Math.abs(item);
  if (size < 1e21 && (size >= 1e-6 || size === 0)) return 0;
  const short = String(size);
  const [digits = "", exponent] = short.split("e");
  const places = Number(exponent);
  const written = places > 0 ? places + 1 : digits.replace(".", "").length + 1 - places;
  return written - short.length;
}

/** Whether a value can be options or metadata. */
export const isObject = (given: unknown): given is object =>
  typeof given === "object" && given !== null && isPlainObject(given);

/** Also recognizes plain objects of another realm (a vm context, a test runner) with its own `Object.prototype`. */
function isPlainObject(object: object): boolean {
  const prototype = Object.getPrototypeOf(object);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
