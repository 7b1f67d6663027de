import { sql } from "drizzle-orm";
import { convertLayout, layoutSchema, type NotConverted } from "../admin/convert-layout.js";
import { convertMessages } from "../admin/convert-messages.js";
import { batchSizeSchema } from "../admin/job.js";
import { inactiveForSchema, prune } from "../admin/prune.js";
import { repairJson } from "../admin/repair-json.js";
import { isDistributedTable } from "../model/citus.js";
import type { Database } from "../model/database.js";
import { type JourneyTable, qualifiedName } from "../schema.js";
import { parse } from "../validation/parse.js";
import { showProgress } from "./progress.js";
import {
  counted,
  FAILED,
  leftKept,
  say,
  type TableOptions,
  TIMEOUT_MS,
  tableOf,
  warn,
  withSessions,
} from "./run.js";

interface JobOption extends TableOptions {
  dryRun?: boolean;
}

interface Job<Done> {
  /** What it does to sessions: "deleted". */
  did: string;
  run(
    db: Database,
    options: {
      table: JourneyTable;
      dryRun: boolean;
      signal: AbortSignal;
      timeoutMs: number;
      onProgress(progress: { examined: number }): void;
    },
  ): Promise<Done>;
  /** What was done, without the verb. */
  what(done: Done): string;
  /** What was left undone, and why. */
  left(done: Done): string | undefined;
}

/** An estimate, from the server's statistics. It has none of a distributed table. */
async function expectedRows(db: Database, table: JourneyTable): Promise<number> {
  if (await isDistributedTable(db, qualifiedName(table))) return db.$count(table);
  const [estimate] = await db
    .select({ rows: sql<number>`reltuples::float8` })
    .from(sql`pg_class`)
    .where(sql`oid = to_regclass(${qualifiedName(table)}::text)`);
  // -1 before it has any.
  return Math.max(estimate?.rows ?? 0, 0);
}

/** Runs a job on the sessions of all users and shows its progress. Ctrl-C ends it and the running statement. */
function runJob<Done>({ url, dryRun = false, ...named }: JobOption, job: Job<Done>) {
  const table = tableOf(named);
  return withSessions(url, table, async (db) => {
    const stop = new AbortController();
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
    const progress = showProgress("looking at", await expectedRows(db, table), "sessions");
    const options = {
      table,
      dryRun,
      signal: stop.signal,
      timeoutMs: TIMEOUT_MS,
      onProgress: ({ examined }: { examined: number }) => progress.to(examined),
    };
    try {
      const done = await job.run(db, options).finally(() => progress.end());
      say(dryRun ? `${job.what(done)} would be ${job.did}` : `${job.did} ${job.what(done)}`);
      const left = job.left(done);
      if (left === undefined) return;
      warn(left);
    } catch (thrown) {
      if (!stop.signal.aborted) throw thrown;
      warn((thrown as Error).message);
    }
    process.exitCode = FAILED;
  });
}

export function runPrune({ inactiveFor, ...options }: JobOption & { inactiveFor: string }) {
  parse(inactiveForSchema, inactiveFor, "--inactive-for");
  return runJob(options, {
    did: "deleted",
    run: (db, options) => prune(db, { inactiveFor, ...options }),
    what: ({ sessions, replies }) =>
      [
        counted(sessions, "session"),
        ...(replies === undefined ? [] : [counted(replies, "abandoned reply", "abandoned replies")]),
      ].join(" and "),
    left: ({ left }) => left && leftKept(left.sessions, left.constraints),
  });
}

/** @throws JourneyDbError invalid_input */
const batchSizeOf = (text: string | undefined) =>
  parse(batchSizeSchema, /^\d+$/.test(text ?? "") ? Number(text) : text, "--batch-size");

const leftUnchanged = (sessions: number, why: string) =>
  sessions === 0 ? undefined : `left unchanged: ${counted(sessions, "session")}; ${why}`;

const WHY: Record<NotConverted, string> = {
  ids: "a message has no id of its own",
  time: "its updated_at is infinity or after the year 294275",
  size: "its messages are too large for the column",
  rows: "it has not as many rows as it should",
  row: "journey-db verify reports the row, or PostgreSQL cannot convert one of its messages",
  reference: "a foreign key prevents it, such as one of another table to the messages",
  changing: "it kept changing",
};

export function runConvert({ to: layout, ...options }: JobOption & { to: string; batchSize?: string }) {
  const to = parse(layoutSchema, layout, "--to");
  const batchSize = batchSizeOf(options.batchSize);
  return runJob(options, {
    did: "converted",
    run: (db, options) => convertLayout(db, { to, batchSize, ...options }),
    what: ({ sessions }) => counted(sessions, "session"),
    left({ skipped, left }) {
      for (const { id, reason } of left) warn(`session ${id}: ${WHY[reason]}`);
      return leftUnchanged(skipped, "each of them, up to the first 1000, is listed with the reason");
    },
  });
}

export function runConvertMessages(options: JobOption & { batchSize?: string }) {
  const batchSize = batchSizeOf(options.batchSize);
  return runJob(options, {
    did: "converted",
    run: (db, options) => convertMessages(db, { batchSize, ...options }),
    what: ({ messages, sessions }) => `${counted(messages, "message")} in ${counted(sessions, "session")}`,
    left: ({ skipped }) =>
      leftUnchanged(
        skipped,
        "journey-db verify reports the row, its JSON is nested too deeply, or it kept changing",
      ),
  });
}

export function runRepairJson(options: JobOption & { batchSize?: string }) {
  const batchSize = batchSizeOf(options.batchSize);
  return runJob(options, {
    did: "repaired",
    run: (db, options) => repairJson(db, { batchSize, ...options }),
    what: ({ sessions }) => counted(sessions, "session"),
    left: ({ skipped }) =>
      leftUnchanged(
        skipped,
        "the text holds no array or object, or the session kept changing: see journey-db verify",
      ),
  });
}
