import main from "./drizzle.config.js";
import { JOURNALS } from "./src/maintenance/migrate.js";

/** For `npm run generate:durable-replies`. */
export default {
  ...main,
  schema: "./src/durable-replies/declared.ts",
  out: "./drizzle/durable-replies",
  migrations: JOURNALS["durable-replies"],
};
