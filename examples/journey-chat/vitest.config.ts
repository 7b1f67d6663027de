import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { defineConfig, type TestProjectInlineConfiguration } from "vitest/config";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const e2e = (name: string) => `examples/journey-chat/e2e/${name}.test.ts`;

/** The tests of the application in one layout of the messages, which its database and its server have. */
const inLayout = (
  layout: "column" | "rows",
  files: { include: string[]; exclude?: string[] },
): TestProjectInlineConfiguration => ({
  test: {
    name: layout,
    root: here("../.."),
    ...files,
    env: { MESSAGE_LAYOUT: layout },
    setupFiles: here("../../test/support/each-file.ts"),
    expect: { poll: { timeout: 15_000 } },
    testTimeout: 90_000,
    hookTimeout: 60_000,
  },
});

/** The application in a browser, built, on a real database: `npm run test:app`. Needs Chromium. */
export default defineConfig({
  test: {
    root: here("../.."),
    // Of the run: both projects have one server and one build.
    globalSetup: [here("../../test/support/global-setup.ts"), here("e2e/support/build.ts")],
    // A test waits as often as it computes.
    maxWorkers: Math.ceil(availableParallelism() * 1.5),
    allowOnly: false,
    projects: [
      inLayout("column", { include: [e2e("*")], exclude: [e2e("message-rows")] }),
      // What reads and writes messages; the rest of the page does not depend on the layout.
      inLayout("rows", {
        include: [e2e("{changing,deleting,durable-replies,message-rows,reloading,search}")],
      }),
    ],
  },
});
