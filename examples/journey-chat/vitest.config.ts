import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/** The application in a browser, built, on a real database: `npm run test:app`. Needs Chromium. */
export default defineConfig({
  test: {
    root: here("../.."),
    include: ["examples/journey-chat/e2e/**/*.test.ts"],
    globalSetup: [here("../../test/support/global-setup.ts"), here("e2e/support/build.ts")],
    setupFiles: here("../../test/support/each-file.ts"),
    // A test waits as often as it computes.
    maxWorkers: Math.ceil(availableParallelism() * 1.5),
    allowOnly: false,
    expect: { poll: { timeout: 15_000 } },
    testTimeout: 90_000,
    hookTimeout: 60_000,
  },
});
