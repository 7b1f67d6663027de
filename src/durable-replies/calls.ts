import * as z from "zod";
import { messageIdSchema } from "../messages.js";
import { endOfCall } from "../model/call-end.js";
import { JourneyDbError } from "../model/errors.js";
import { isStorable } from "../model/text.js";
import { sessionNotFound } from "../sessions/refusal.js";
import type { ReadReply, Replies } from "../sessions/replies.js";
import { always, type Handle, never, type Verb } from "../sessions/verb.js";
import { HELD } from "../sessions/witness.js";
import { custom, options } from "../validation/options.js";
import { parse } from "../validation/parse.js";
import * as statements from "./statements.js";

/** Characters of one batch. */
const LONGEST_BATCH = 64 * 1024 * 1024;
/** Less than the default deadline of a call. */
const LONGEST_WAIT = 10_000;

/** As an `integer` of PostgreSQL holds it. */
const count = z
  .int()
  .min(0)
  .max(2 ** 31 - 1);

const isOver = () =>
  new JourneyDbError("not_found", "The session has no such reply, or it is over; nothing was written.");

const isRunning = () =>
  new JourneyDbError(
    "conflict",
    "A reply of this session is running; stop it, or wait for its end. Nothing was written.",
  );

const of = (handle: Handle, id: unknown, replyId: unknown) => ({
  id: handle.sessionId(id),
  replyId: parse(messageIdSchema, replyId, "replyId"),
});

const startOptions = options<{ messageId?: string; continues?: number }>()({
  messageId: messageIdSchema.optional(),
  continues: count.optional(),
});

const start: Verb<Replies["start"]> = {
  takes: ["id", "replyId", "options"],
  isRepeatable: always,
  async run(handle, id, replyId, given) {
    const { messageId = null, continues = null } = parse(startOptions, given);
    const [row] = await handle.send(statements.start, { ...of(handle, id, replyId), messageId, continues });
    if (!row?.found) throw sessionNotFound();
    if (!row.started) throw isRunning();
  },
};

const batchSchema = z
  .strictObject({
    n: count,
    chunks: custom<string>(
      `at most ${LONGEST_BATCH} characters of well-formed text without U+0000`,
      (text) => typeof text === "string" && text.length <= LONGEST_BATCH && isStorable(text),
    ),
    messageId: messageIdSchema.optional(),
    continues: count.optional(),
    state: z.enum(["stored", "ended"]).optional(),
    closes: z.boolean().default(false),
  })
  .refine(({ n, chunks }) => n > 0 || chunks === "", {
    path: ["n"],
    params: { expected: "at least 1 for a batch with chunks" },
  });

const write: Verb<Replies["write"]> = {
  takes: ["id", "replyId", "batch"],
  isRepeatable: always,
  async run(handle, id, replyId, batch) {
    const {
      closes,
      state = null,
      messageId = null,
      continues = null,
      ...values
    } = parse(batchSchema, batch, "batch");
    // An end is written again if its outcome was unknown. But nothing follows the end that another wrote.
    const from = [closes ? "closing" : "running,stopping,stored", ...(state === "ended" ? [state] : [])];
    const [row] = await handle.send(statements.write, {
      ...of(handle, id, replyId),
      ...values,
      messageId,
      continues,
      state,
      from: from.join(),
    });
    if (!row) throw isOver();
    return { isStopping: row.state === "stopping" };
  },
};

const readOptions = options<{ replyId?: string; after?: number; waitMs?: number }>()({
  replyId: messageIdSchema.optional(),
  after: count.default(0),
  waitMs: z.int().min(0).max(LONGEST_WAIT).default(0),
});

/** The reply of the rows that a read returns. */
function toReply(rows: statements.ReadRow[], after: number): ReadReply | null {
  const [row] = rows;
  if (!row) return null;
  const { n: _, chunks: __, ...status } = row;
  const read = rows.at(-1)?.n ?? after;
  return { ...status, chunks: rows.map(({ chunks }) => chunks ?? "").join(""), after: read };
}

const read: Verb<Replies["read"]> = {
  takes: ["id", "options"],
  isRepeatable: always,
  async run(handle, id, given) {
    const callEnd = endOfCall();
    const { replyId, after, waitMs } = parse(readOptions, given);
    const isHeld = (given as { [HELD]?: boolean } | undefined)?.[HELD];
    const values = { id: handle.sessionId(id), replyId: replyId ?? null, after };
    const look = async () =>
      toReply(await handle.withinDeadline(() => handle.send(statements.read, values)), after);
    const isNews = (reply: ReadReply | null) =>
      reply?.chunks !== "" || replyId === undefined || reply.isLost || reply.state === "ended";
    if (waitMs === 0) return look();
    const changes = handle.changes(values.id, "reply", isHeld);
    // The call has its deadline.
    const until = performance.now() + Math.min(waitMs, handle.timeoutMs / 2);
    try {
      for (;;) {
        const reply = await look();
        const left = until - performance.now();
        if (isNews(reply) || left <= 0 || callEnd?.ended) return reply;
        await changes.next(left, handle.signal);
      }
    } finally {
      changes.end();
    }
  },
};

const stop: Verb<Replies["stop"]> = {
  takes: ["id"],
  isRepeatable: always,
  async run(handle, id) {
    const [row] = await handle.send(statements.stop, { id: handle.sessionId(id) });
    return row ?? null;
  },
};

const close: Verb<Replies["close"]> = {
  takes: ["id", "replyId"],
  isRepeatable: never,
  run: async (handle, id, replyId) =>
    (await handle.send(statements.close, of(handle, id, replyId))).length > 0,
};

const remove: Verb<Replies["delete"]> = {
  takes: ["id", "replyId"],
  isRepeatable: always,
  run: async (handle, id, replyId) =>
    (await handle.send(statements.remove, of(handle, id, replyId))).length > 0,
};

/** The methods of `sessions.replies`. */
export const REPLY_VERBS: { [Name in keyof Replies]: Verb<Replies[Name]> } = {
  start,
  write,
  read,
  stop,
  close,
  delete: remove,
};
