import { defineConfig } from "vitest/config";
import config from "./vitest.config.js";

/** The suites of the queries and of the admin calls through pgbouncer, and what concerns poolers alone: `npm run test:pooler`. Needs pgbouncer on the PATH. */
export default defineConfig({
  test: {
    ...config.test,
    include: ["test/queries/*.test.ts", "test/admin/*.test.ts", "test/poolers/*.test.ts"],
    exclude: [],
    env: { POOLER: "1" },
    typecheck: { enabled: false },
  },
});
