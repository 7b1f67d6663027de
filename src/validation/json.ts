import { JourneyDbError } from "../model/errors.js";
import { isStorable, toStorable } from "../model/text.js";

/** What to do with text that PostgreSQL's jsonb cannot hold: U+0000 and lone surrogates. */
export type Unstorable = "replace" | "reject";

export interface JsonRules {
  unstorable: Unstorable;
  /** No value is larger, as far as that can be told before the server measures it. */
  maxBytes: number;
  /** Keys that may be shown in an error. All others are what a user wrote. */
  knownKeys: ReadonlySet<string>;
}

/** How many times as many bytes as of jsonb a value may take as text, in whole; less is not looked at. */
export const TEXT_FACTOR = 2;

/** Nested deeper than this is refused. */
const MAX_DEPTH = 500;

const ofAnyDepth = new WeakSet<object>();

/** Lets a value in at any depth that the server takes: an answer was streamed to its user before it is stored. */
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

/** What gets stored of a value, as JSON text and as that text reads. */
export interface Json {
  text: string;
  value: unknown;
  /** Bytes, at least, of the text that PostgreSQL makes of it again: it puts spaces in, and writes 1e300 with all its zeros. */
  textBytes: number;
  /** Whether that text may take more than twice the bytes of the jsonb. */
  isWide: boolean;
}

/**
 * `value` as JSON: undefined properties dropped, `toJSON` honoured (so a Date becomes an ISO
 * string), and whatever else JSON would change in silence refused with its path. Text that jsonb
 * cannot hold is replaced or refused, as the rules say.
 *
 * @throws JourneyDbError invalid_input, or too_large where the value cannot fit in `maxBytes`.
 */
export function toJson(given: unknown, field: string, rules: JsonRules): Json {
  // A jsonb key or value takes at least 4 bytes and what it holds: a text one byte a UTF-16 unit, a
  // number 6 or more, an array or an object 4. Counting that stops a small graph of shared
  // references from growing without end.
  let atLeast = 0;
  // Bytes that PostgreSQL's text has more than JSON.stringify's.
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
    if (depth > MAX_DEPTH) refuse(`expected JSON of at most ${MAX_DEPTH} levels (a cycle has no end)`);
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
      // Set as others are, __proto__ would be the object's prototype, and what a frozen one has is refused.
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
    // A getter, a Proxy or a toJSON of the caller's threw, or the text outgrew a JavaScript string.
    return refuse("expected a value that can be read as JSON");
  }
}

/** How many characters more a number takes without an exponent, as PostgreSQL writes it: 1e21, 1.5e-7. */
function zerosOf(item: number): number {
  const size = Math.abs(item);
  if (size < 1e21 && (size >= 1e-6 || size === 0)) return 0;
  const short = String(size);
  const [digits = "", exponent] = short.split("e");
  const places = Number(exponent);
  const written = places > 0 ? places + 1 : digits.replace(".", "").length + 1 - places;
  return written - short.length;
}

/** Whether it is an object that may be options or metadata. */
export const isObject = (given: unknown): given is object =>
  typeof given === "object" && given !== null && isPlainObject(given);

/** Holds across realms too (a vm context, a test runner), where `Object.prototype` is another object. */
function isPlainObject(object: object): boolean {
  const prototype = Object.getPrototypeOf(object);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
