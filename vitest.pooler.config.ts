import { defineConfig } from "vitest/config";
import config from "./vitest.config.js";

/** The query suite through pgbouncer, and what concerns poolers alone: `npm run test:pooler`. Needs pgbouncer on the PATH. */
export default defineConfig({
  test: {
    ...config.test,
    include: ["test/queries/*.test.ts", "test/poolers/*.test.ts"],
    exclude: [],
    env: { POOLER: "1" },
    typecheck: { enabled: false },
  },
});
