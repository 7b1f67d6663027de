import { userInfo } from "node:os";
import { EMBEDDED_FOLDER } from "./src/connection/connect.js";
import { configuredUrl, parseDatabaseUrl } from "./src/connection/database-url.js";
import { dataFolder } from "./src/connection/embedded-folder.js";
import { tlsOptions } from "./src/connection/tls-options.js";
import { JOURNALS } from "./src/maintenance/migrate.js";

const direct = configuredUrl(process.env, "DIRECT_URL");
const url = direct ?? configuredUrl(process.env, "DATABASE_URL");

/**
 * drizzle-kit's driver reads a URL in its own way: without sslmode it never encrypts, and it passes
 * over what it does not know. Where `prefer` is meant it gets TLS or nothing.
 */
function credentials(url: string) {
  const address = parseDatabaseUrl(url, direct === undefined ? "DATABASE_URL" : "DIRECT_URL");
  const { host, port, password, settings } = address;
  const user = address.user || process.env.PGUSER || userInfo().username;
  const database = address.database || process.env.PGDATABASE || user;
  // drizzle-kit does not pass them on.
  if (settings.options !== undefined) process.env.PGOPTIONS = settings.options;
  const ssl = address.tls !== "disable" && { ...tlsOptions(address) };
  return { host, port, user, ...(password && { password }), database, ssl };
}

export default {
  dialect: "postgresql",
  schema: "./src/schema.ts",
  out: "./drizzle",
  migrations: JOURNALS.main,
  ...(url === undefined
    ? { driver: "pglite", dbCredentials: { url: dataFolder(EMBEDDED_FOLDER) } }
    : { dbCredentials: credentials(url) }),
};
