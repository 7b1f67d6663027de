import * as z from "zod";
import { phaseSchema, sessionIdSchema } from "../messages.js";
import { JourneyDbError } from "../model/errors.js";
import { EXACT_TIME } from "../model/time.js";
import type { ExportRow } from "../queries/export.js";
import { readSummary } from "../sessions/rows.js";
import { MESSAGE_KEYS, TEXT_FACTOR } from "../validation/json.js";
import { arraySchema, DEFAULT_SESSION_BYTES, LARGEST_JSONB } from "../validation/options.js";
import { parse } from "../validation/parse.js";
import { payloads } from "../validation/payloads.js";

/**
 * Sessions as NDJSON (https://github.com/ndjson/ndjson-spec): a line is a `Session` as JSON, with
 * times to the microsecond, and without its revision, which the time of its last update tells. Messages
 * and metadata are the database's own text, so that no number is rounded to JavaScript's.
 */
export function toLine(row: ExportRow): string {
  const { id, userId, phase, createdAt, updatedAt } = readSummary(row);
  const fields = { id, userId, phase, createdAt: toTime(createdAt), updatedAt: toTime(updatedAt) };
  return `${JSON.stringify(fields).slice(0, -1)},"metadata":${row.metadata},"messages":${row.messages}}`;
}

/** ISO 8601 where a time has that form: not beyond the year 9999, before the year 1, and at infinity. */
const ISO_YEAR = /^\d{4}-(?!.*BC$)/;
const toTime = (exact: string) => (ISO_YEAR.test(exact) ? `${exact}Z` : exact);

const FORM = new RegExp(`^(?:${EXACT_TIME.source})$`);
const isTime = (text: string): boolean => {
  const exact = text.replace(/Z$/, "");
  if (!FORM.test(exact)) return false;
  return !ISO_YEAR.test(exact) || z.iso.datetime().safeParse(`${exact}Z`).success;
};
const time = z.string().refine(isTime, {
  params: { expected: 'a time in UTC of at most six decimals, e.g. "2026-01-31T09:30:00.123456Z"' },
});

const line = z.looseObject({
  id: sessionIdSchema,
  phase: phaseSchema,
  createdAt: time,
  updatedAt: time,
  metadata: z.unknown().optional(),
  messages: arraySchema,
});

const knownKeys = new Set([...MESSAGE_KEYS, ...Object.keys(line.shape)]);
const json = payloads({}, { unstorable: "reject", maxBytes: LARGEST_JSONB, knownKeys });

/** A line that may be stored, as it came. */
export interface SessionLine {
  id: string;
  text: string;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** A number that may be beyond a double, which the table can hold: `Infinity` would be refused as no JSON. */
const LARGE_NUMBER = /[[:,\s]-?(?:\d{309}|[\d.]+e\+?\d)/i;
const withinDouble = (_key: string, value: unknown) =>
  typeof value === "number" && !Number.isFinite(value) ? 0 : value;

/** An exponent, or what tells whether it stands in a string: a quote, and an escape that may hold one. */
const EXPONENTS = /\\.|"|[\d.]e([-+]?\d+)/gi;
const SOME_EXPONENT = /[[:,\s]-?[\d.]+e/i;

/** PostgreSQL writes numbers without exponents: what is short here may be too long to be read from there. */
function checkText(text: string): void {
  if (!SOME_EXPONENT.test(text)) return;
  const most = TEXT_FACTOR * Math.max(text.length, DEFAULT_SESSION_BYTES);
  let characters = text.length;
  let inString = false;
  for (const [token, exponent] of text.matchAll(EXPONENTS)) {
    if (token === '"') inString = !inString;
    else if (exponent !== undefined && !inString) characters += Math.abs(Number(exponent));
  }
  if (characters > most) {
    throw new JourneyDbError(
      "too_large",
      `session: expected at most ${most} bytes of JSON text, numbers without exponents`,
    );
  }
}

/**
 * Checks a line as strictly as the calls of a handle check what they are given. The owner that it
 * names and whatever else is in it counts for nothing.
 *
 * @throws JourneyDbError invalid_input, naming the field and what was expected; too_large
 */
export function checkLine(text: string): SessionLine {
  // The reviver is asked of each value, so not without need.
  const reviver = LARGE_NUMBER.test(text) ? withinDouble : undefined;
  const session = read("JSON", (): unknown => JSON.parse(text, reviver));
  const { id, messages, metadata } = parse(line, session, "session", knownKeys);
  // The rest is sent too, and the server would refuse it by a number only.
  json.metadata({ ...(session as object), messages: [], metadata: {} }, "session");
  json.messages(messages, "session.messages");
  json.metadata(metadata, "session.metadata");
  checkText(text);
  return { id: id.toLowerCase(), text };
}

/** As checkLine, of the bytes of a file; null for an empty line. */
export function fromLine(bytes: Uint8Array): SessionLine | null {
  const text = read("text in UTF-8", () => utf8.decode(bytes)).trim();
  return text === "" ? null : checkLine(text);
}

function read<T>(expected: string, reading: () => T): T {
  try {
    return reading();
  } catch {
    // The reason would show what stands there.
    throw new JourneyDbError("invalid_input", `session: expected ${expected}`);
  }
}
