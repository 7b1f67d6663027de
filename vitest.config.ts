import { defineConfig } from "vitest/config";
import { installFolder, SCRIPTS, TEST } from "./scripts/install-folder.js";

// Here, since the types of the tests are checked while they are set up.
for (const folder of [SCRIPTS, TEST]) await installFolder(folder);

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/poolers/**", "**/node_modules/**"],
    globalSetup: "test/support/global-setup.ts",
    // Reads every *.test-d.ts. A type error anywhere else in tsconfig.json fails the run too.
    typecheck: { enabled: true, include: ["test/**/*.test-d.ts"], tsconfig: "tsconfig.json" },
    // By default one core is left idle, which on two cores would run one file at a time.
    maxWorkers: "100%",
    allowOnly: false,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
