import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { text } from "node:stream/consumers";
import { stripVTControlCharacters } from "node:util";

/** Tests that are known to fail. */
export interface Known {
  /** The file or its folder, from the root on. */
  file: string;
  /** What they fail with. */
  error: RegExp;
  why: string;
}

interface Run {
  /** A checkout of the repository. */
  folder: string;
  node: string;
  /** Further arguments of `vitest run`. */
  options: string[];
  known: readonly Known[];
  /** The file to write its report to. */
  report: string;
}

export interface Outcome {
  passed: number;
  /** How many failed that are known to. */
  expected: number;
  /** What is not as it should be, with its reason. */
  problems: string[];
}

interface TestFile {
  name: string;
  status: string;
  message: string;
  assertionResults: { fullName: string; status: string; failureMessages: string[] }[];
}

const reasonIn = (words = "") => {
  const [line = ""] = words.split("\n", 1);
  // All that vitest's report has of it.
  return line === "Error: STACK_TRACE_ERROR" ? "it ran into its time limit" : line.slice(0, 200);
};

/** Runs the suite once. That no test ran, that one was skipped, and that a known failure passes are problems too. */
export async function runSuite({ folder, node, options, known, report }: Run): Promise<Outcome> {
  const { TEST_DATABASE_URL: _, DATABASE_URL: __, DIRECT_URL: ___, ...env } = process.env;
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  // What the versions do is asked here, and not how fast.
  const limits = ["--testTimeout=180000", "--hookTimeout=180000"];
  const vitest = join(folder, "node_modules/vitest/vitest.mjs");
  const child = spawn(node, [vitest, "run", ...reporters, ...limits, ...options], {
    cwd: folder,
    // What the tests start by name, npm among it, runs on the same Node.js.
    env: { ...env, PATH: `${dirname(node)}:${env.PATH}` },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const said = await Promise.all([text(child.stdout), text(child.stderr)]);
  const output = stripVTControlCharacters(said.join("\n"));
  const status = await ended;

  const files: TestFile[] = existsSync(report) ? JSON.parse(readFileSync(report, "utf8")).testResults : [];
  const tests = files.flatMap(({ name, assertionResults }) =>
    assertionResults.map(({ fullName, status, failureMessages: [failure = ""] }) => {
      const file = relative(folder, name);
      const is = ({ file: place, error }: Known) => file.startsWith(place) && error.test(failure);
      const reason = status === "failed" ? known.find(is) : undefined;
      return { status, reason, said: `${file}: ${fullName}: ${reasonIn(failure) || `it was ${status}`}` };
    }),
  );
  const failures = tests.filter(({ status }) => status !== "passed");
  const problems = failures.filter(({ reason }) => !reason).map(({ said }) => said);
  const expected = failures.length - problems.length;
  for (const { name, status, message, assertionResults } of files) {
    if (status === "failed" && assertionResults.every((test) => test.status !== "failed"))
      problems.push(`${relative(folder, name)}: ${reasonIn(message) || "it failed outside its tests"}`);
  }
  for (const one of known) {
    if (!failures.some(({ reason }) => reason === one))
      problems.push(`${one.file}: listed as failing with ${one.error}, which nothing there does`);
  }
  if (tests.length === 0) problems.push(`no test ran: ${output.trim().slice(-500)}`);
  // Errors of no test are not in the report.
  const errors = /Unhandled [^⎯]*Errors?[\s\S]{0,500}/.exec(output);
  if (status !== 0 && (errors || failures.length + problems.length === 0))
    problems.push(errors?.[0] ?? `vitest ended with ${status}`);
  return { passed: tests.length - failures.length, expected, problems };
}
