import { randomUUID } from "node:crypto";
import { sql } from "drizzle-orm";
import { expect } from "vitest";
import { journeyReplies } from "../../src/durable-replies/declared.js";
import { replyTables } from "../../src/durable-replies.js";
import { defineJourney } from "../../src/index.js";
import type { Database } from "../../src/model/database.js";
import type { Replies } from "../../src/sessions/replies.js";
import { text } from "./messages.js";
import { chats } from "./own-table.js";
import type { Sessions as AnySessions } from "./verbs.js";

export type Sessions = AnySessions & { readonly replies: Replies };

/** As `forUser`, with durable replies. */
export const durably =
  (define: typeof defineJourney = defineJourney, options: object = {}) =>
  (...of: Parameters<ReturnType<typeof defineJourney>["forUser"]>) =>
    define({ replies: journeyReplies, ...options }).forUser(...of) as unknown as Sessions;

/** The handle of the default table with durable replies. */
export const durableFor = durably();

/** Likewise, of a table with own columns. */
export const durableChatsFor = durably(defineJourney, { table: chats, replies: replyTables(chats).replies });

/** What a call of `sessions.replies` is called with. */
export interface Given {
  id: string;
  /** Of the session's reply, if it has one. */
  replyId: string;
  newReplyId: string;
}

/** How far the session's reply is before a call. Those after `begun` have the batch 1, "one". */
export type Before = "none" | "begun" | "running" | "stopping" | "lost" | "closing" | "stored" | "ended";

interface Case<Call extends keyof Replies> {
  before: Before;
  args(given: Given): Parameters<Replies[Call]>;
  /** The code that its owner gets. */
  refused?: string;
  /** Whether it waits, and so may send its statement again. */
  waits?: true;
}

/** Every call of `sessions.replies`, with what makes a difference. Tests of what holds for every call read it. */
const CALLS: { [Call in keyof Replies]: Record<string, Case<Call>> } = {
  start: {
    start: { before: "none", args: ({ id, newReplyId }) => [id, newReplyId] },
    "start of one that continues": {
      before: "none",
      args: ({ id, newReplyId }) => [id, newReplyId, { continues: 2 }],
    },
    "start again": { before: "begun", args: ({ id, replyId }) => [id, replyId] },
    "start after the end": { before: "ended", args: ({ id, newReplyId }) => [id, newReplyId] },
    "start after the message is stored": { before: "stored", args: ({ id, newReplyId }) => [id, newReplyId] },
    "start while another runs": {
      before: "running",
      args: ({ id, newReplyId }) => [id, newReplyId],
      refused: "conflict",
    },
  },
  write: {
    write: { before: "running", args: ({ id, replyId }) => [id, replyId, { n: 2, chunks: "two" }] },
    "write again": { before: "running", args: ({ id, replyId }) => [id, replyId, { n: 1, chunks: "one" }] },
    "write without chunks": {
      before: "running",
      args: ({ id, replyId }) => [id, replyId, { n: 1, chunks: "" }],
    },
    "write that the message is stored": {
      before: "stopping",
      args: ({ id, replyId }) => [id, replyId, { n: 2, chunks: "two", state: "stored" }],
    },
    "write of the end": {
      before: "stored",
      args: ({ id, replyId }) => [id, replyId, { n: 2, chunks: "two", state: "ended" }],
    },
    "write of the end again": {
      before: "ended",
      args: ({ id, replyId }) => [id, replyId, { n: 1, chunks: "one", state: "ended" }],
    },
    "write that closes": {
      before: "closing",
      args: ({ id, replyId }) => [id, replyId, { n: 2, chunks: "two", state: "ended", closes: true }],
    },
  },
  read: {
    read: { before: "running", args: ({ id }) => [id] },
    "read on": { before: "running", args: ({ id, replyId }) => [id, { replyId, after: 1 }] },
    "read and wait": {
      before: "running",
      args: ({ id, replyId }) => [id, { replyId, after: 1, waitMs: 1 }],
      waits: true,
    },
  },
  stop: {
    stop: { before: "running", args: ({ id }) => [id] },
    "stop again": { before: "stopping", args: ({ id }) => [id] },
  },
  close: { close: { before: "lost", args: ({ id, replyId }) => [id, replyId] } },
  delete: {
    delete: { before: "running", args: ({ id, replyId }) => [id, replyId] },
    "delete after the end": { before: "ended", args: ({ id, replyId }) => [id, replyId] },
  },
};

export interface ReplyCase {
  name: string;
  call: keyof Replies;
  before: Before;
  refused: string | undefined;
  waits: boolean;
  args(given: Given): unknown[];
  send(sessions: { readonly replies: Replies }, given: Given): Promise<unknown>;
}

export const callReply = ({ replies }: { readonly replies: Replies }, call: keyof Replies, args: unknown[]) =>
  (replies[call] as (...args: unknown[]) => Promise<unknown>)(...args);

export const REPLY_CASES: readonly ReplyCase[] = Object.entries(CALLS).flatMap(([key, cases]) =>
  Object.entries(cases as Record<string, Case<"read">>).map(
    ([name, { before, args, refused, waits = false }]): ReplyCase => {
      const call = key as keyof Replies;
      return {
        name,
        call,
        before,
        refused,
        waits,
        args,
        send: (sessions, given) => callReply(sessions, call, args(given)),
      };
    },
  ),
);

/** Sets the time at which the reply's producer last wrote back, so that it is taken for lost. */
export async function makeLost(db: Database, id: string, table = "journey_replies"): Promise<void> {
  // Nobody is lost while the server itself is new.
  const isOld = async () => {
    const [row] = await db
      .select({ old: sql<boolean>`pg_postmaster_start_time() < now() - interval '10 seconds'` })
      .from(sql`(select) as one`);
    return row?.old;
  };
  await expect.poll(isOld, { timeout: 15_000, interval: 100 }).toBe(true);
  await db.execute(
    sql`update ${sql.raw(table)} set written_at = now() - interval '11 seconds' where session_id = ${id}`,
  );
}

/** Makes a session of two messages whose reply is so far. */
export async function replyOf(
  sessions: Sessions,
  db: Database,
  before: Before,
  { own = {}, table = "journey_replies" }: { own?: object; table?: string } = {},
): Promise<Given> {
  const { id } = await sessions.create({ messages: [text("m1"), text("m2")], ...own });
  const given = { id, replyId: randomUUID(), newReplyId: randomUUID() };
  const { replyId } = given;
  const { replies } = sessions;
  if (before === "none") return given;
  await replies.start(id, replyId);
  if (before === "begun") return given;
  await replies.write(id, replyId, { n: 1, chunks: "one" });
  if (before === "lost" || before === "closing") await makeLost(db, id, table);
  if (before === "closing") expect(await replies.close(id, replyId)).toBe(true);
  if (before === "stopping") await replies.stop(id);
  if (before === "stored" || before === "ended")
    await replies.write(id, replyId, { n: 1, chunks: "", state: before });
  return given;
}
