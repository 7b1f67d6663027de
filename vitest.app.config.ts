import { configDefaults, defineConfig } from "vitest/config";
import config from "./vitest.config.js";

/** The example application in a browser, built, on a real database: `npm run test:app`. Needs Chromium. */
export default defineConfig({
  test: {
    ...config.test,
    include: ["examples/journey-chat/e2e/**/*.test.ts"],
    exclude: configDefaults.exclude,
    globalSetup: ["test/support/global-setup.ts", "examples/journey-chat/e2e/support/build.ts"],
    typecheck: { enabled: false },
    expect: { poll: { timeout: 15_000 } },
    testTimeout: 90_000,
  },
});
