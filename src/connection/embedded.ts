import { sql } from "drizzle-orm";
import { migrate, shippedMigrations, TABLES } from "../maintenance/migrate.js";
import type { Database } from "../model/database.js";
import type { OptionalMigrations } from "../validation/options.js";
import { dataFolder, makeAllPrivate, replaced, withFolderErrors } from "./embedded-folder.js";
import { lockFolder } from "./folder-lock.js";
import { openPglite } from "./pglite.js";
import { settlesWithin } from "./settles-within.js";

/** Milliseconds that close() waits for a running transaction. */
const CLOSE_TIMEOUT = 5000;

/** Nobody else can have the database open, and its user may have no command line to migrate it with. */
async function applyMigrations(
  db: Database,
  chosen: readonly OptionalMigrations[] | undefined,
): Promise<void> {
  try {
    shippedMigrations();
  } catch {
    // In a bundle, which contains no migration files.
    const names = ["main" as const, ...(chosen ?? [])].map((of) => sql`to_regclass(${TABLES[of]}::text)`);
    const [table] = await db
      .select({ missing: sql<boolean>`num_nulls(${sql.join(names, sql`, `)}) > 0` })
      .from(sql`(select) as nothing`);
    if (table?.missing) {
      console.warn(
        "journey-db: the embedded database was not migrated, since bundles contain no migrations: " +
          `run npx journey-db migrate --embedded${chosen?.map((name) => ` --with ${name}`).join("") ?? ""} in this folder`,
      );
    }
    return;
  }
  const { applied } = await migrate(db, { with: chosen });
  if (applied.length > 0) console.warn(`journey-db: migrated the embedded database: ${applied.join(", ")}`);
}

/**
 * Locks the folder and opens its embedded database. Closing it releases the lock.
 *
 * @param options `migrates`: whether to apply pending migrations, and name them on stderr; `with`: the optional ones to
 *   apply; `schema`: that of `db.query`
 * @throws JourneyDbError unavailable, configuration, corrupt, migration
 */
export async function openEmbedded(
  folder: string,
  {
    migrates = true,
    with: chosen,
    schema,
  }: {
    migrates?: boolean;
    with?: readonly OptionalMigrations[] | undefined;
    schema?: Record<string, unknown> | undefined;
  } = {},
) {
  const lock = await lockFolder(folder);
  const data = dataFolder(folder);
  let opened: Awaited<ReturnType<typeof openPglite>> | undefined;
  try {
    opened = await withFolderErrors(folder, () => openPglite(data, lock.holds, schema));
    // PGlite creates files when it starts.
    await withFolderErrors(folder, async () => makeAllPrivate(data));
    if (migrates) await applyMigrations(opened.db, chosen);
  } catch (error) {
    await opened?.close().catch(() => {});
    const inPlace = lock.holds();
    lock.release();
    throw inPlace ? error : replaced(folder);
  }
  const { db, close } = opened;
  let closing: Promise<unknown> | undefined;
  return {
    db,
    async close() {
      // A transaction that never ends keeps the lock, since it may still write, but not the caller.
      closing ??= settlesWithin(CLOSE_TIMEOUT, close().then(lock.release, lock.release));
      await closing;
    },
  };
}
