import type * as z from "zod";
import type { Database } from "../database.js";
import { within } from "../deadline.js";
import { databaseSchema, journeyOptionsSchema, plainObjectSchema } from "../options.js";
import type { Named, Statement } from "../queries/statement.js";
import { parse, parseOptions } from "../validate.js";

/** A statement that no owner is given to. */
export type AdminStatement<Row> = Statement<Row, Named>;

/** How long one statement may take; as long as a call of a handle unless said otherwise. */
export const { timeoutMs } = journeyOptionsSchema.shape;

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
  parse(databaseSchema, db, "db", new Set());
  parse(plainObjectSchema, given, "options", new Set());
  return parseOptions(schema, given, "options", new Set(Object.keys(schema.shape)));
}

/**
 * Sends one statement and answers its rows. Never prepared on the server: a job gains nothing by it,
 * it works through every pooler, and each run is planned for its values.
 */
export const rowsOf = <Row, Given extends Named>(
  statement: Statement<Row, Given>,
  db: Database,
  values: Given,
  timeoutMs: number,
): Promise<Row[]> => within({ timeoutMs }, statement.name, [], () => statement.run(db, values, false));

/** As rowsOf, of a statement that has one row. */
export async function ask<Row>(
  statement: AdminStatement<Row>,
  db: Database,
  values: Named,
  timeoutMs: number,
): Promise<Row> {
  const [row] = await rowsOf(statement, db, values, timeoutMs);
  return row as Row;
}
