import type { Sql } from "postgres";
import { isStorable } from "../../src/model/text.js";
import { nastyStrings, oddMessages, uiMessages } from "./messages.js";

/** From the first that PostgreSQL has to the last, in the order of an export. */
export const TIMES = [
  "-infinity",
  "4714-11-24 00:00:00+00 BC",
  "0044-03-15 12:00:00.5+00 BC",
  "0001-01-01 00:00:00.000001+00",
  "1969-12-31 23:59:59.999999+00",
  "2026-01-31 09:30:00+00",
  "2026-01-31 09:30:00.000001+00",
  "2026-01-31 09:30:00.12+00",
  "9999-12-31 23:59:59.999999+00",
  "10000-01-01 00:00:00+00",
  "275760-09-13 00:00:00.001+00",
  "294276-12-31 23:59:59.999999+00",
  "infinity",
];

/** Numbers that a double has not, and forms that JavaScript would write in another way. */
const NUMBERS = `[0.1234567890123456789012345, 12345678901234567890123, -9007199254740993, 1.10, 100.00, 0.0,
  ${"9".repeat(400)}, -${"9".repeat(400)}, 1e-400, 1e308]`;

const storable = nastyStrings.filter(isStorable);
const odd = oddMessages.flatMap(({ message, expect }, n) =>
  expect === "refused" ? [] : [{ ...(message as object), id: `odd ${n}` }],
);
/** Conversations that the calls of a handle may store. */
const messages = uiMessages.filter(({ id }) => id.length <= 256);
const message = (id: string, part: string) =>
  `{"id": ${JSON.stringify(id)}, "role": "assistant", "parts": [{"type": "data-x", "data": ${part}}]}`;

/** Conversations as JSON, each a whole one. */
const CONVERSATIONS = [
  "[]",
  JSON.stringify(messages),
  JSON.stringify(odd),
  `[${message("numbers", NUMBERS)}]`,
  `[${message("strings", JSON.stringify(storable))}]`,
  `[${message("keys", JSON.stringify(Object.fromEntries(storable.map((key, n) => [key, n]))))}]`,
  `[${message("line ends", JSON.stringify("\u2028\u2029\u0085\r\n\n\r\v\f"))}]`,
  `[${storable
    .filter((id) => id !== "" && id.length <= 256)
    .map((id) => message(id, "null"))
    .join(",")}]`,
  // Longer than a batch, and than many chunks of a file.
  `[${message("long", JSON.stringify("€ and 😀, ".repeat(150_000)))}]`,
  `[${message("deep", `${"[".repeat(490)}1${"]".repeat(490)}`)}]`,
];

const METADATA = ["{}", `{"numbers": ${NUMBERS}, "phase": "x"}`, JSON.stringify({ strings: storable })];

/** The times of a last update that writes to messages in rows can follow. */
export const ORDERED_TIMES = TIMES.filter((time) => !/^(infinity|294276)/.test(time));

/**
 * Stores sessions that are hard to take to another place and back.
 *
 * @param updated the times of their last updates
 */
export async function storeDifficultRows(sql: Sql, userId: string, updated = TIMES): Promise<number> {
  const phases = storable.filter((phase) => phase.length >= 1 && phase.length <= 100);
  const count = Math.max(TIMES.length, CONVERSATIONS.length, METADATA.length, phases.length);
  const cycled = (values: readonly string[], n: number) => values[n % values.length] as string;
  for (let n = 0; n < count; n++) {
    await sql`
      insert into journey_sessions (user_id, phase, messages, metadata, created_at, updated_at) values (
        ${userId}, ${cycled(phases, n)}, ${n < CONVERSATIONS.length ? cycled(CONVERSATIONS, n) : "[]"}::text::jsonb,
        ${cycled(METADATA, n)}::text::jsonb, ${cycled(TIMES, n)}::text::timestamptz,
        ${cycled(updated, n + 3)}::text::timestamptz)`;
  }
  return count;
}
