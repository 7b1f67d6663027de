import type * as z from "zod";
import type { Database } from "../model/database.js";
import { JourneyDbError } from "../model/errors.js";
import type { Named, Statement } from "../queries/statement.js";
import { type Deadline, within } from "../sessions/call.js";
import { always } from "../sessions/verb.js";
import { databaseSchema, journeyOptionsSchema, plainObjectSchema } from "../validation/options.js";
import { parse } from "../validation/parse.js";

/** A statement that no owner is given to. */
export type AdminStatement<Row> = Statement<Row, Named>;

/** How long one statement may take; as long as a call of a handle unless said otherwise. */
export const { timeoutMs } = journeyOptionsSchema.out.shape;

/**
 * The options of a call, checked, as the database is.
 *
 * @throws JourneyDbError invalid_input
 */
export function optionsOf<Shape extends z.core.$ZodLooseShape>(
  schema: z.ZodObject<Shape>,
  db: Database,
  given: unknown,
): z.output<typeof schema> {
  parse(databaseSchema, db, "db");
  parse(plainObjectSchema, given);
  return parse(schema, given);
}

/**
 * Sends one statement and answers its rows. Never prepared on the server: a job gains nothing by it,
 * it works through every pooler, and each run is planned for its values.
 */
export const rowsOf = <Row, Given extends Named>(
  statement: Statement<Row, Given>,
  db: Database,
  values: Given,
  deadline: Deadline,
  deletes?: true,
): Promise<Row[]> =>
  within(deadline, { isRepeatable: always, deletes }, () => statement.run(db, values, false));

/** As rowsOf, of a statement that has one row. */
export async function ask<Row>(
  statement: AdminStatement<Row>,
  db: Database,
  values: Named,
  deadline: Deadline,
  deletes?: true,
): Promise<Row> {
  const [row] = await rowsOf(statement, db, values, deadline, deletes);
  return row as Row;
}

/** Makes a part of a job. Where the signal ends the statement under way, throws what `stopped` makes of it. */
export async function part<T>(
  { signal }: Deadline,
  send: () => Promise<T>,
  stopped: () => JourneyDbError,
): Promise<T> {
  try {
    return await send();
  } catch (thrown) {
    throw signal?.aborted && (thrown as JourneyDbError).code === "timeout" ? stopped() : thrown;
  }
}

/**
 * The error of a job whose signal was aborted.
 *
 * @param did what the job does to sessions: "deleted"
 * @param orMore of a statement that was under way it is not known whether it took effect
 */
export const stopped = (did: string, sessions: number, orMore = false): JourneyDbError =>
  new JourneyDbError(
    "timeout",
    `The signal was aborted; ${orMore ? "at least " : ""}${sessions} sessions were ${did} and stay so, and the call may be repeated.`,
    { retryable: true },
  );

/** Tells the application how far a job is. */
export async function tell<Progress>(
  did: string,
  onProgress: ((progress: Progress) => void | Promise<void>) | undefined,
  progress: Progress,
): Promise<void> {
  try {
    await onProgress?.(progress);
  } catch {
    throw new JourneyDbError(
      "invalid_input",
      `options.onProgress: threw an error; what was ${did} stays ${did}, and the call may be repeated.`,
    );
  }
}
