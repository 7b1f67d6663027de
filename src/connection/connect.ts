import * as z from "zod";
import type { Database } from "../model/database.js";
import { JourneyDbError } from "../model/errors.js";
import { custom, type OptionalMigrations, withSchema } from "../validation/options.js";
import { parse } from "../validation/parse.js";
import { configuredUrl, parseDatabaseUrl } from "./database-url.js";

/** The folder of the embedded database, relative to the working directory. */
export const EMBEDDED_FOLDER = ".journey-db";

/** How to reach the database. Everything has a default. */
// biome-ignore lint/suspicious/noExplicitAny: without a schema, the type is that of any database
export interface ConnectOptions<Schema extends Record<string, unknown> = any> {
  /** A `postgres://` or `postgresql://` URL. @default the environment variable DATABASE_URL */
  url?: string | undefined;
  /**
   * Maximum number of connections: 1–1000. Each instance of a serverless application has its own pool,
   * and a small server allows about sixty connections in total. If all are busy, a call waits for the
   * first that becomes free. @default the URL's connection_limit, else 5
   */
  max?: number | undefined;
  /**
   * Whether the connection goes through a transaction pooler. Statements are not prepared then, and the
   * server's statement timeout is not set. @default true for port 6543 and for `pgbouncer=true` in the URL
   */
  pooled?: boolean | undefined;
  /**
   * Milliseconds after which the server cancels a statement: 1–2,147,483,647. Should not be less than
   * `timeoutMs` of defineJourney. No effect behind a transaction pooler. @default 15000
   */
  statementTimeoutMs?: number | undefined;
  /**
   * Whether to use the embedded database if there is no URL. Set it to true in production for a demo, or
   * for a program on its user's own machine. @default true outside production
   */
  embedded?: boolean | undefined;
  /**
   * Optional migrations that opening the embedded database applies: `["message-rows"]` for the table of messages,
   * `["durable-replies"]` for those of replies. No effect on a server, which `migrate` or `journey-db migrate --with` and
   * these names migrates. @default []
   */
  with?: readonly OptionalMigrations[] | undefined;
  /** The application's tables and relations, for `db.query`, as in Drizzle's own `drizzle({ schema })`. */
  schema?: Schema | undefined;
}

/** An open database. */
// biome-ignore lint/suspicious/noExplicitAny: as ConnectOptions
export interface Connection<Schema extends Record<string, unknown> = any> {
  /** For forUser, migrate, verify and the application's own queries. */
  db: Database<Schema>;
  /**
   * Closes all connections. Running calls and transactions, and those that wait for a connection, have 5
   * seconds to finish. After that they fail with code unavailable, as do later calls. Nothing keeps the
   * process alive afterwards. May be called more than once, and never throws.
   */
  close(): Promise<void>;
}

const optionsSchema = z.strictObject({
  url: z.string().optional(),
  max: z.int().min(1).max(1000).optional(),
  pooled: z.boolean().optional(),
  statementTimeoutMs: z.int().min(1).max(0x7fffffff).default(15_000),
  embedded: z.boolean().optional(),
  with: withSchema,
  schema: custom<Record<string, unknown>>(
    "an object of tables and relations",
    (given) => typeof given === "object" && given !== null,
  ).optional(),
}) satisfies z.ZodType<ConnectOptions, ConnectOptions>;

/**
 * Returns a Drizzle database over postgres.js, for the given URL or DATABASE_URL. It does not contact the
 * server yet: if the server cannot be reached, the first call fails with code unavailable.
 *
 * If there is no URL (or an empty DATABASE_URL), it opens the embedded database in `.journey-db/` of the
 * working directory and says so on stderr; in production only with `embedded: true`. Only one process can
 * have the embedded database open, and only once. Opening it applies pending migrations and names them on
 * stderr.
 *
 * Each call opens its own pool, so call it once and keep the result, also across hot reloads (README shows
 * how).
 *
 * @throws JourneyDbError invalid_input for an invalid option; configuration for an invalid URL, for a
 *   missing URL in production and for a missing optional package; unavailable if the embedded database is
 *   open already or its disk is full; corrupt if its folder is damaged; migration if it cannot be migrated
 */
// biome-ignore lint/suspicious/noExplicitAny: as ConnectOptions
export async function connect<Schema extends Record<string, unknown> = any>(
  options: ConnectOptions<Schema> = {},
): Promise<Connection<Schema>> {
  const { url, embedded, with: chosen, ...rest } = parse(optionsSchema, options);
  // Next.js sets it at build time. The edge runtime has no sockets and no files.
  if (process.env.NEXT_RUNTIME === "edge") {
    throw new JourneyDbError(
      "configuration",
      'connect: expected the Node.js runtime, and this is the edge runtime; remove `export const runtime = "edge"`',
    );
  }
  const configured = url ?? configuredUrl(process.env, "DATABASE_URL");
  if (configured !== undefined) {
    const address = parseDatabaseUrl(configured, url === undefined ? "DATABASE_URL" : "options.url");
    const { openServer } = await import("./server.js");
    return openServer(address, rest);
  }
  const production = process.env.NODE_ENV === "production";
  if (!(embedded ?? !production)) {
    throw new JourneyDbError(
      "configuration",
      `DATABASE_URL: expected a postgres:// or postgresql:// URL${production ? " in production" : ""}, and it is not set`,
    );
  }
  const { openEmbedded } = await import("./embedded.js");
  console.warn(`journey-db: DATABASE_URL is not set; using the embedded database in ${EMBEDDED_FOLDER}/`);
  const embeddedDatabase: Connection = await openEmbedded(EMBEDDED_FOLDER, {
    with: chosen,
    schema: rest.schema,
  });
  return embeddedDatabase;
}
