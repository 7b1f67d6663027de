import { tmpdir } from "node:os";
import { createInterface } from "node:readline";
import type { Sql } from "postgres";
import { expect } from "vitest";
import { newUser } from "./database.js";
import { IN_ROWS } from "./layout.js";
import { runScript } from "./program.js";
import { sessionIdOf, stepsIn, WRITERS, type Written, writtenAfter } from "./written.js";

/** How the writing program reaches the server. */
export const CLIENTS = ["connect()", "node-postgres"] as const;

/** A program that writes, and what it has been told. */
export interface Writing {
  owner: string;
  /** Per writer, the calls that were acknowledged. */
  acknowledged: readonly number[];
  /** By code, the calls that failed and were repeated. */
  failures: Readonly<Record<string, number>>;
  /** Until each writer has so many more acknowledged calls. Fails where the program ends first. */
  goesOn(calls: number): Promise<void>;
  /** Ends it in order, and answers its exit status. */
  stop(): Promise<number | NodeJS.Signals>;
  /** kill -9, until all that it has printed is read. */
  kill(): Promise<void>;
}

/** @param owner an owner whose earlier program has ended: this one goes on from what is stored */
export function startWriting(url: string, client: (typeof CLIENTS)[number], owner = newUser()): Writing {
  const { child, ended, stderr } = runScript("test/support/writer.ts", [url, client, owner], tmpdir());
  const acknowledged = Array<number>(WRITERS).fill(0);
  const failures: Record<string, number> = {};
  const waiting = new Set<() => void>();
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on("line", (line) => {
    const [writer, step, failure] = line.split(" ");
    if (failure) failures[failure] = (failures[failure] ?? 0) + 1;
    else acknowledged[Number(writer)] = Number(step) + 1;
    for (const look of waiting) look();
  });
  const goesOn = (calls: number) =>
    new Promise<void>((resolve, reject) => {
      const aims = acknowledged.map((count) => count + calls);
      const look = () => {
        if (!aims.every((aim, writer) => (acknowledged[writer] as number) >= aim)) return;
        waiting.delete(look);
        resolve();
      };
      waiting.add(look);
      ended.then((status) => reject(new Error(`the program ended with ${status}: ${stderr()}`)));
    });
  const stop = () => {
    child.stdin?.end();
    return ended;
  };
  const kill = async () => {
    child.kill("SIGKILL");
    expect(await ended).toBe("SIGKILL");
  };
  return { owner, acknowledged, failures, goesOn, stop, kill };
}

const MESSAGES_IN_ROWS = `(
  select coalesce(json_agg(m.message order by m.appended_at, m.n), '[]') from journey_messages as m where m.session_id = s.id and m.user_id = s.user_id
) as messages`;

/**
 * Every acknowledged call is stored, every message whole, none twice, each in its place, and no
 * session beyond. Answers how many calls are stored that were not acknowledged by now.
 */
export async function expectStored(sql: Sql, { owner, acknowledged }: Writing): Promise<number> {
  const told = [...acknowledged];
  // One statement sees one moment.
  const rows = await sql<(Written & { id: string })[]>`
    select id, metadata, ${sql.unsafe(IN_ROWS ? MESSAGES_IN_ROWS : "messages")} from journey_sessions as s where user_id = ${owner}`;
  const byId = new Map(rows.map(({ id, messages, metadata }) => [id, { messages, metadata }]));
  let sessions = 0;
  let beyond = 0;
  for (const [writer, count] of told.entries()) {
    const stored: Written[] = [];
    for (;;) {
      const session = byId.get(sessionIdOf(owner, writer, stored.length));
      if (!session) break;
      stored.push(session);
    }
    const steps = stepsIn(stored);
    expect(steps).toBeGreaterThanOrEqual(count);
    expect(stored).toEqual(writtenAfter(steps));
    sessions += stored.length;
    beyond += steps - count;
  }
  expect(rows).toHaveLength(sessions);
  return beyond;
}

/** How many calls it was told are stored. */
export const toldOf = ({ acknowledged }: Writing) => acknowledged.reduce((sum, count) => sum + count, 0);

/** A number of calls, for a moment that nobody chose. */
export const someCalls = (most: number) => 1 + Math.floor(Math.random() * most);
