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
import { type Fields, NO_FIELDS } from "./stored-table.js";

/** A time that ISO 8601 can express; years of more digits, years BC and infinity stay as PostgreSQL writes them. */
const ISO_TIME = /^\d{4}-.*[\dZ]$/;
const toTime = (exact: string) => (ISO_TIME.test(exact) ? `${exact}Z` : exact);

/**
 * Sessions as NDJSON (https://github.com/ndjson/ndjson-spec): each line is a `Session` as JSON, with times to
 * the microsecond and without the revision, which is the time of the last update. Messages and metadata are
 * the database's own text, so that no number is rounded to JavaScript's, and so are own columns, beside the others.
 */
export function toLine(row: ExportRow): string {
  const { id, userId, phase, createdAt, updatedAt } = readSummary(row);
  const fields = { id, userId, phase, createdAt: toTime(createdAt), updatedAt: toTime(updatedAt) };
  // A column of type json, as that of a message in a row, may have line breaks between its values.
  const onOneLine = (json: string) => json.replaceAll(/[\r\n]/g, " ");
  const own = row.own === undefined ? "" : `,${onOneLine(row.own.slice(1, -1))}`;
  return `${JSON.stringify(fields).slice(0, -1)}${own},"metadata":${row.metadata},"messages":${onOneLine(row.messages)}}`;
}

const EXACT = new RegExp(`^(?:${EXACT_TIME.source})Z?$`);
const isoTime = z.iso.datetime({ local: true });
const time = z
  .string()
  .refine((text) => EXACT.test(text) && (!ISO_TIME.test(text) || isoTime.safeParse(text).success), {
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

const YEAR_WITHOUT_ORDER = 294276;
const lineOfRows = line.extend({
  updatedAt: time.refine(
    (text) => text.includes("BC") || text === "-infinity" || Number.parseInt(text, 10) < YEAR_WITHOUT_ORDER,
    { params: { expected: `a time before the year ${YEAR_WITHOUT_ORDER}, since the messages go into rows` } },
  ),
});

/** Fields that import does not read: the owner is that of the command, and the revision follows from the last update. */
const UNREAD = ["userId", "revision"];

/** A line that can be stored, unchanged. */
export interface SessionLine {
  id: string;
  text: string;
  /** The own columns that it sets, by their keys, with the names of their fields. */
  own: Record<string, string>;
  /** Whether it has fields that no column takes. */
  hasMore: boolean;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** A number that may exceed a double, which the table can hold. JSON.parse makes it `Infinity`, which would be refused. */
const LARGE_NUMBER = /[[:,\s]-?(?:\d{309}|[\d.]+e\+?\d)/i;
const withinDouble = (_key: string, value: unknown) =>
  typeof value === "number" && !Number.isFinite(value) ? 0 : value;

/** An exponent, or what shows whether it is in a string: a quote, or an escape that may contain one. */
const EXPONENTS = /\\.|"|[\d.]e([-+]?\d+)/gi;
const SOME_EXPONENT = /[[:,\s]-?[\d.]+e/i;

/** PostgreSQL writes numbers without exponents: a short line may become a row that is too long to read. */
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
 * Reads lines for a table with these own columns.
 *
 * @param intoRows whether their messages go into rows, which need a last update that writes can follow
 * @returns `check` checks a line as strictly as the calls of a handle check their arguments. Its owner and unknown
 *   fields are ignored. It throws a JourneyDbError: invalid_input, naming the field and what was expected; too_large.
 *   `read` does so from the bytes of a file, and returns null for an empty line.
 */
export function lineReader({ names, filled }: Fields = NO_FIELDS, intoRows = false) {
  const fields = [...Object.keys(line.shape), ...UNREAD];
  const knownKeys = new Set([...MESSAGE_KEYS, ...fields, ...[...names.values()].flat()]);
  const json = payloads({}, { unstorable: "reject", maxBytes: LARGEST_JSONB, knownKeys });

  function ownOf(session: object): Pick<SessionLine, "own" | "hasMore"> {
    const own: Record<string, string> = {};
    const taken = new Set(fields);
    for (const [key, possible] of names) {
      const field = possible.find((name) => Object.hasOwn(session, name));
      if (field === undefined) continue;
      taken.add(field);
      if (!filled.has(key)) own[key] = field;
    }
    return { own, hasMore: Object.keys(session).some((name) => !taken.has(name)) };
  }

  function check(text: string): SessionLine {
    // The reviver is called for each value, so only where it is needed.
    const reviver = LARGE_NUMBER.test(text) ? withinDouble : undefined;
    const session = readAs("JSON", (): unknown => JSON.parse(text, reviver));
    const { id, messages, metadata } = parse(intoRows ? lineOfRows : line, session, "session", knownKeys);
    // The rest of the line is sent too, and the server would refuse it with a SQLSTATE only.
    json.metadata({ ...(session as object), messages: [], metadata: {} }, "session");
    json.messages(messages, "session.messages");
    json.metadata(metadata, "session.metadata");
    checkText(text);
    return { id: id.toLowerCase(), text, ...ownOf(session as object) };
  }

  return {
    check,
    read(bytes: Uint8Array): SessionLine | null {
      const text = readAs("text in UTF-8", () => utf8.decode(bytes)).trim();
      return text === "" ? null : check(text);
    },
  };
}

function readAs<T>(expected: string, reading: () => T): T {
  try {
    return reading();
  } catch {
    // The cause would quote the line.
    throw new JourneyDbError("invalid_input", `session: expected ${expected}`);
  }
}
