import { fork } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import postgres from "postgres";
import { orderOf, summary } from "./measure.js";
import type { ColdStart } from "./results.js";

const programs = new URL("cold-start/", import.meta.url);
/** Milliseconds that one process may take. */
const TIMEOUT = 120_000;

interface Start {
  importMs: number;
  firstCallMs: number;
}

interface Loaded {
  files: number;
  bytes: number;
}

interface Case {
  name: string;
  /** Of a database of its own. */
  url: string;
}

/**
 * The time that a new process needs to import each contestant and make the first call, including the
 * connection, on a running server that has the tables. For this package, `dist` is measured. The files are in the page cache.
 */
export async function coldStarts(url: string, quick: boolean): Promise<ColdStart[]> {
  const admin = postgres(url, { max: 1, onnotice: () => {} });
  const databases: string[] = [];
  try {
    const cases: Case[] = [];
    for (const name of await caseNames()) {
      const database = `cold_start_${process.pid}_${cases.length}`;
      await admin`create database ${admin(database)}`;
      databases.push(database);
      cases.push({ name, url: Object.assign(new URL(url), { pathname: database }).href });
    }
    return await measured(cases, quick ? 2 : 15);
  } finally {
    for (const database of databases) await admin`drop database ${admin(database)} with (force)`;
    await admin.end();
  }
}

async function caseNames(): Promise<string[]> {
  const { cases }: { cases: object } = await import(new URL("cases.js", programs).href);
  return Object.keys(cases);
}

async function measured(cases: Case[], rounds: number): Promise<ColdStart[]> {
  // Each loads the same files as the rounds, so that these do not read from disk.
  const loaded = await Promise.all(
    cases.map(async (one) => {
      await inChild("setUp", one);
      return inChild<Loaded>("count", one);
    }),
  );
  const starts = new Map<Case, Start[]>(cases.map((one) => [one, []]));
  for (let round = 0; round < rounds; round++) {
    for (const one of orderOf(cases, round)) starts.get(one)?.push(await inChild<Start>("time", one));
  }
  return cases.map((one, n) => {
    const of = starts.get(one) ?? [];
    return {
      name: one.name,
      importMs: summary(of.map(({ importMs }) => importMs)),
      firstCallMs: summary(of.map(({ firstCallMs }) => firstCallMs)),
      ...(loaded[n] as Loaded),
    };
  });
}

/** Runs child.js, which is plain JavaScript, in a new process without the loaders and caches of this one. */
async function inChild<Answer>(task: "setUp" | "count" | "time", { name, url }: Case): Promise<Answer> {
  // Mastra would send telemetry at every start.
  const env: NodeJS.ProcessEnv = { ...process.env, NODE_ENV: "production", MASTRA_TELEMETRY_DISABLED: "1" };
  delete env.NODE_OPTIONS;
  delete env.NODE_COMPILE_CACHE;
  const child = fork(new URL("child.js", programs), [task, name, url], {
    env,
    execArgv: [],
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    timeout: TIMEOUT,
  });
  let answer: Answer | undefined;
  child.once("message", (message) => {
    answer = message as Answer;
  });
  const ended = once(child, "close");
  const complaints = await text(child.stderr as NonNullable<typeof child.stderr>);
  const [status, signal] = await ended;
  if (status !== 0 || answer === undefined) {
    throw new Error(`Cold start of ${name} (${task}) ended with ${signal ?? status}\n${complaints}`);
  }
  return answer;
}
