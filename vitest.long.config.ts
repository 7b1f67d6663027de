import { defineConfig } from "vitest/config";
import config from "./vitest.config.js";

/** The long forms of the tests that have one: `npm run test:long`. */
export default defineConfig({
  test: {
    ...config.test,
    include: [
      "test/model/*.test.ts",
      "test/mixed-load.test.ts",
      "test/crashes/*.test.ts",
      "test/hostile/*.test.ts",
    ],
    env: { LONG: "1" },
    testTimeout: 3_600_000,
    typecheck: { enabled: false },
  },
});
