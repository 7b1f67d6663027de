import * as z from "zod";
import type { Database } from "../model/database.js";
import { JourneyDbError } from "../model/errors.js";
import { parseOptions } from "../validation/parse.js";
import { configuredUrl, parseDatabaseUrl } from "./database-url.js";

/** The folder of the embedded database, relative to the working directory. */
export const EMBEDDED_FOLDER = ".journey-db";

/** How to reach the database. Everything has a default. */
export interface ConnectOptions {
  /** A `postgres://` or `postgresql://` URL. @default the environment variable DATABASE_URL */
  url?: string | undefined;
  /**
   * Connections at most: 1–1000. Every instance of a serverless application has as many of its own,
   * and a small server has some sixty for all. Where all are busy, a call waits for the first that is
   * free again. @default the URL's connection_limit, else 5
   */
  max?: number | undefined;
  /**
   * Whether a transaction pooler stands between: then statements are not prepared and the server's
   * statement timeout is not set. @default true for port 6543 and for `pgbouncer=true` in the URL
   */
  pooled?: boolean | undefined;
  /**
   * Milliseconds after which the server stops a statement: 1–2,147,483,647. Not less than
   * `timeoutMs` of defineJourney. Without effect behind a transaction pooler. @default 15000
   */
  statementTimeoutMs?: number | undefined;
  /**
   * Whether the embedded database stands in where there is no URL. With true in production too: for a
   * demonstration, or a program on its user's own machine. @default true outside production
   */
  embedded?: boolean | undefined;
}

/** A database and what ends it. */
export interface Connection {
  /** For forUser, migrate, verify and the application's own queries. */
  db: Database;
  /**
   * Ends all connections. The calls and transactions that were begun get 5 seconds to end, those that
   * wait for a connection too, then fail with code unavailable, as does every later call; nothing is left that
   * keeps the process alive. May be called again, and never throws.
   */
  close(): Promise<void>;
}

const optionsSchema = z.strictObject({
  url: z.string().optional(),
  max: z.int().min(1).max(1000).optional(),
  pooled: z.boolean().optional(),
  statementTimeoutMs: z.int().min(1).max(0x7fffffff).default(15_000),
  embedded: z.boolean().optional(),
});

const OPTION_KEYS = new Set(Object.keys(optionsSchema.shape));

/**
 * A Drizzle database over postgres.js, for the URL given or in DATABASE_URL. It does not touch the
 * server: one that cannot be reached shows at the first call, as code unavailable.
 *
 * Without a URL (an empty DATABASE_URL is none) and outside production, or with `embedded: true`, the
 * embedded database in `.journey-db/` of the working directory, with a line on stderr that says so. One process at a time
 * can open it, once. Opening it applies the pending migrations, with another line.
 *
 * Each call makes connections of its own, so an application calls it once and keeps the answer,
 * also across hot reloads (README shows how).
 *
 * @throws JourneyDbError invalid_input for an option that is not usable; configuration for a URL
 *   that is not, for a missing one in production and for a missing optional package; unavailable
 *   where another process has the embedded database open or its disk is full; corrupt where its
 *   folder is damaged; migration where it cannot be migrated
 */
export async function connect(options: ConnectOptions = {}): Promise<Connection> {
  const { url, embedded, ...rest } = parseOptions(optionsSchema, options, "options", OPTION_KEYS);
  // Set in the build of Next.js. There are no sockets and no files there.
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
  return openEmbedded(EMBEDDED_FOLDER);
}
