import { sql } from "drizzle-orm";
import * as z from "zod";
import type { Database } from "../model/database.js";
import { JourneyDbError } from "../model/errors.js";
import type { JourneyTable } from "../schema.js";
import { journeyOptionsSchema } from "../validation/journey-options.js";
import { parse } from "../validation/parse.js";
import { type DistributionPlan, planOf } from "./distribution-plan.js";
import { MIGRATION_LOCK, NOT_DEFERRED, requireDatabase } from "./migrate.js";
import { migrationFailure } from "./migrate-failure.js";

export type { DistributionPlan } from "./distribution-plan.js";

export interface DistributeOptions {
  /** The table of the sessions, declared with `journeyTable`. @default journeySessions */
  table?: JourneyTable | undefined;
  /** Makes tables of one server of them again. @default false */
  undo?: boolean | undefined;
  /** Changes nothing. @default false */
  dryRun?: boolean | undefined;
  /** Called before anything is changed. */
  onPlan?: ((plan: DistributionPlan) => void) | undefined;
}

const optionsSchema = z.strictObject({
  table: journeyOptionsSchema.out.shape.table,
  undo: z.boolean().default(false),
  dryRun: z.boolean().default(false),
  onPlan: z
    .custom<NonNullable<DistributeOptions["onPlan"]>>((given) => typeof given === "function")
    .optional(),
});

/** How long to wait for each lock: other queries on the table wait behind it. */
const LOCK_TIMEOUT = "10s";

/**
 * Distributes the table of sessions over the servers of a Citus cluster, by owner, with the tables of messages and of
 * replies beside it; or undoes that. The primary key becomes `(user_id, id)`: an id is unique for a user only.
 *
 * It is one transaction, which copies all rows: writes wait until it ends, and if it fails nothing has changed. It may be
 * called again, and does what is left to do. Apply all migrations first that are ever needed, since a table cannot be
 * added to a distributed one.
 *
 * @returns what was done, or is to be done
 * @throws JourneyDbError migration if the table cannot be distributed, with what prevents it: a foreign key of another
 *   table, a unique index without user_id, a trigger, an identity or exclusion constraint; to undo it, an id that several users have.
 *   invalid_input for a transaction; configuration for a driver without transactions; unavailable, timeout
 */
export async function distribute(db: Database, options: DistributeOptions = {}): Promise<DistributionPlan> {
  const { table, undo, dryRun, onPlan } = parse(optionsSchema, options);
  requireDatabase(db, "distribute");
  let running: string | undefined;
  try {
    return await db.transaction(
      async (tx) => {
        const run = (statement: string) => tx.execute(sql.raw(statement));
        await run("SET LOCAL statement_timeout = 0");
        await run(`SET LOCAL lock_timeout = '${LOCK_TIMEOUT}'`);
        await run("SET LOCAL client_min_messages = warning");
        await run(`SELECT pg_advisory_xact_lock(${MIGRATION_LOCK})`);
        const plan = await planOf(tx, table, undo);
        onPlan?.(plan);
        if (dryRun || plan.statements.length === 0) return plan;
        await run(NOT_DEFERRED);
        // The trigger that increases updated_at reads its own row only.
        await run("SET LOCAL citus.enable_unsafe_triggers = on");
        // Of tables that foreign keys connect.
        await run("SET LOCAL citus.multi_shard_modify_mode = 'sequential'");
        for (const statement of plan.statements) {
          running = statement;
          await run(statement);
        }
        running = undefined;
        return plan;
      },
      { isolationLevel: "read committed" },
    );
  } catch (error) {
    if (error instanceof JourneyDbError) throw error;
    throw migrationFailure(error, running);
  }
}
