import main from "./drizzle.config.js";
import { JOURNALS } from "./src/maintenance/migrate.js";

/** For `npm run generate:message-rows`. */
export default {
  ...main,
  schema: "./src/message-rows/declared.ts",
  out: "./drizzle/message-rows",
  migrations: JOURNALS["message-rows"],
};
