import { getTableName } from "drizzle-orm";
import type * as z from "zod";
import { isDistributedTable } from "../model/citus.js";
import type { Database } from "../model/database.js";
import { touchValues } from "../queries/own-columns.js";
import { DriverFailure, type Named, perTable, type Statement } from "../queries/statement.js";
import { asDistributed, qualifiedName, type SessionTable } from "../schema.js";
import { type Deadline, within } from "../sessions/call.js";
import { always } from "../sessions/verb.js";
import { journeyOptionsSchema } from "../validation/journey-options.js";
import { databaseSchema, plainObjectSchema } from "../validation/options.js";
import { parse } from "../validation/parse.js";

/** A statement that takes no owner. */
export type AdminStatement<Row> = Statement<Row, Named>;

/** Time limit of one statement; the default is that of a call of a handle. */
export const { timeoutMs } = journeyOptionsSchema.out.shape;

/** The table of a call. */
export const table = journeyOptionsSchema.out.shape.table.transform(
  (table) => table as unknown as SessionTable,
);

/**
 * Checks the database and the options of a call.
 *
 * @throws JourneyDbError invalid_input
 */
export function optionsOf<Shape extends z.core.$ZodLooseShape>(
  schema: z.ZodObject<Shape>,
  db: Database,
  options: unknown,
): z.output<typeof schema> {
  parse(databaseSchema, db, "db");
  parse(plainObjectSchema, options);
  return parse(schema, options);
}

/**
 * Sends one statement and returns its rows. It is never prepared on the server: a job gains nothing
 * from that, every pooler works without it, and each run is planned for its values.
 */
export const rowsOf = <Row, Given extends Named>(
  statement: Statement<Row, Given>,
  db: Database,
  values: Given,
  deadline: Deadline,
  deletes?: true,
): Promise<Row[]> =>
  within(deadline, { isRepeatable: always, deletes, table: getTableName(statement.table) }, () =>
    statement.run(db, { ...touchValues(statement.table), ...values }, false),
  );

/** Like rowsOf, for a statement that returns one row. */
export async function rowOf<Row>(
  statement: AdminStatement<Row>,
  db: Database,
  values: Named,
  deadline: Deadline,
  deletes?: true,
): Promise<Row> {
  const [row] = await rowsOf(statement, db, values, deadline, deletes);
  return row as Row;
}

const distributed = perTable(asDistributed);

/** The table as the server has it, which Citus may have distributed. Sends one small statement, and on Citus two. */
export const asStored = (db: Database, table: SessionTable, deadline: Deadline): Promise<SessionTable> =>
  within(deadline, { isRepeatable: always, table: getTableName(table) }, async () => {
    try {
      return (await isDistributedTable(db, qualifiedName(table))) ? distributed(table) : table;
    } catch (thrown) {
      throw new DriverFailure(thrown);
    }
  });
