import { configuredUrl } from "./src/database-url.js";
import { dataFolder, EMBEDDED_FOLDER } from "./src/embedded.js";
import { JOURNAL } from "./src/migrate.js";

const url = configuredUrl(process.env, "DIRECT_URL", "DATABASE_URL");

export default {
  dialect: "postgresql",
  schema: "./src/schema.ts",
  out: "./drizzle",
  migrations: JOURNAL,
  ...(url === undefined
    ? { driver: "pglite", dbCredentials: { url: dataFolder(EMBEDDED_FOLDER) } }
    : { dbCredentials: { url } }),
};
