import { relative } from "node:path";
import type { RunnerTestCase } from "vitest";
import { defineConfig } from "vitest/config";
import type { Reporter, TestModule, TestSequencer, TestSpecification, Vitest } from "vitest/node";

/**
 * Of each source that `npm run test:mutation` changes, the tests that must notice, in the order in which they are asked:
 * how their files in test/ begin. Each change that none of them notices costs a run of them all. Left out is what looks
 * through another process, where nothing is changed, and test/queries/statements.test.ts: it compares each text of SQL
 * with a copy, so it would notice every change of one, whether it matters or not.
 */
const TESTS: Record<string, string[]> = {
  "src/queries/": [
    "queries/",
    "sessions/application-schemas",
    "sessions/concurrency",
    "properties/",
    "performance/trigger",
  ],
  "src/ai-sdk/": ["ai-sdk/"],
  "src/sessions/": [
    "validation/",
    "sessions/application-schemas",
    "queries/",
    "sessions/deadline",
    "sessions/foreign-keys",
    "ai-sdk/store-answer",
    "properties/",
  ],
  "src/validation/arguments.ts": [
    "validation/",
    "sessions/application-schemas",
    "queries/",
    "sessions/deadline",
    "properties/",
  ],
  "src/messages.ts": ["messages.", "validation/", "sessions/application-schemas", "queries/content"],
  "src/model/": ["model/", "validation/", "connection/unreachable"],
  "src/maintenance/migrate.ts": ["maintenance/migrate"],
  "src/maintenance/verify/": ["maintenance/verify", "maintenance/roles"],
};
const LEFT_OUT = ["test/queries/statements.test.ts"];

/**
 * Stryker asks for the tests that import the changed source, at any distance, which nearly all do; or else for those that
 * ran the changed code, which is too few: a statement is built in the first test that sends it, and for all others.
 */
class OwnTestsInOrder implements TestSequencer {
  constructor(private readonly vitest: Vitest) {}

  async sort(files: TestSpecification[]) {
    const { root, related = [] } = this.vitest.config;
    const changed = related.map((file) => relative(root, file));
    const tests = Object.entries(TESTS)
      .filter(([source]) => changed.some((file) => file.startsWith(source)))
      .flatMap(([, names]) => names);
    const placeOf = ({ moduleId }: TestSpecification) =>
      tests.findIndex((name) => relative(`${root}/test`, moduleId).startsWith(name));
    for (const { config } of this.vitest.projects) delete config.testNamePattern;
    return files.filter((file) => placeOf(file) >= 0).sort((a, b) => placeOf(a) - placeOf(b));
  }

  async shard(files: TestSpecification[]) {
    return files;
  }
}

/** A file that a change keeps from loading has no test that could fail, and Stryker counts tests alone: it gets one. */
class LoadingIsATest implements Reporter {
  private vitest: Vitest | undefined;

  onInit(vitest: Vitest) {
    this.vitest = vitest;
  }

  onTestModuleEnd(module: TestModule) {
    if (module.children.size > 0 || module.state() !== "failed") return;
    for (const file of this.vitest?.state.getFiles([module.moduleId]) ?? []) {
      const { result } = file;
      file.tasks.push({ type: "test", name: "loads", mode: "run", file, result } as RunnerTestCase);
    }
    // As the first test that fails does.
    this.vitest?.cancelCurrentRun("test-failure");
  }
}

export default defineConfig({
  test: {
    include: Object.values(TESTS).flatMap((names) => names.map((name) => `test/${name}*test.ts`)),
    exclude: LEFT_OUT,
    env: { ONE_DRIVER: "1" },
    sequence: { sequencer: OwnTestsInOrder },
    reporters: [new LoadingIsATest()],
    maxWorkers: "100%",
    globalSetup: "test/support/global-setup.ts",
    setupFiles: "test/support/each-file.ts",
    // Longer than a busy machine makes a test take, which would count as noticing.
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
