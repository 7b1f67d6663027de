import * as z from "zod";
import { messageIdSchema } from "../messages.js";
import type { JourneyTable } from "../schema.js";
import { options } from "../validation/options.js";
import { parse } from "../validation/parse.js";
import { corrupt, inRows, messageNotFound, rowsDiffer, sessionNotFound } from "./refusal.js";
import { readSummary, toMessage, toSummary } from "./rows.js";
import type { SessionSummary } from "./types.js";
import { always, type Verb } from "./verb.js";

interface MessagesOptions {
  /** Messages per page, 1–1000. @default 50 */
  limit?: number | undefined;
  /** Returns the page just before the message with this id. */
  before?: string | undefined;
}

export interface Messages<Message, Metadata, Phase extends string, Table extends JourneyTable> {
  /**
   * One page of the conversation, in conversation order: the newest messages, or those just before the message
   * `before`. For the previous page, pass the id of this page's first message. Also returns the rest of the session,
   * as of the same time.
   *
   * @throws not_found for the session or the message `before`
   */
  messages(
    id: string,
    options?: MessagesOptions,
  ): Promise<{
    session: SessionSummary<Metadata, Phase, Table>;
    messages: Message[];
    hasMore: boolean;
    /** The session's revision. */
    revision: string;
  }>;
}

const optionsSchema = options<MessagesOptions>()({
  limit: z.int().min(1).max(1000).default(50),
  before: messageIdSchema.optional(),
});

export const verb: Verb<Messages<unknown, object, string, JourneyTable>["messages"]> = {
  takes: ["id", "options"],
  isRepeatable: always,
  async run(handle, id, options) {
    const { limit, before = null } = parse(optionsSchema, options);
    const [page, ...rows] = await handle.send(handle.layout.messages, {
      id: handle.sessionId(id),
      limit,
      before,
    });
    if (!page || page.summary === null) throw sessionNotFound();
    if (page.stored === null) throw corrupt("messages");
    if (page.stored === "rows" && !("message" in page)) throw inRows();
    if (page.messages === null) throw messageNotFound("before");
    const session = toSummary(handle.own, readSummary(page));
    const { revision } = session;
    const stored = JSON.parse(page.messages);
    if (page.stored === "array")
      return { session, messages: stored, hasMore: page.hasMore === true, revision };
    if (before === null && rows.length < Math.min(stored.rows, limit)) throw rowsDiffer();
    const inOrder = rows.slice(0, limit).reverse();
    return { session, messages: inOrder.map(toMessage), hasMore: rows.length > limit, revision };
  },
};
