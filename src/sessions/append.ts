import * as z from "zod";
import { messageIdSchema } from "../messages.js";
import { JourneyDbError, type JourneyDbErrorCode } from "../model/errors.js";
import { COLUMN, type Layout } from "../queries/layout.js";
import { ownValues } from "../queries/own-columns.js";
import { isDistributed, type JourneyTable, type NeedsOwn, type NewOwn } from "../schema.js";
import { isObject } from "../validation/json.js";
import { atLeastOne, custom, ifRevisionSchema, options } from "../validation/options.js";
import { parse } from "../validation/parse.js";
import { refusalError } from "./refusal.js";
import { toWritten } from "./rows.js";
import type { IfRevision, MessageLayout, Size, Written } from "./types.js";
import { type Verb, without } from "./verb.js";

/** What a session that `append` creates gets: metadata and own columns. */
export type Creation<Metadata, Table extends JourneyTable> =
  | (NeedsOwn<Table> extends true ? false : boolean)
  | ({ metadata?: Metadata | undefined } & NewOwn<Table>);

// biome-ignore lint/suspicious/noExplicitAny: options of any application fit its own handle
export interface AppendOptions<Metadata = any, Table extends JourneyTable = any> extends IfRevision {
  /**
   * Creates the session in the same statement if its id is unused; an object also sets the session's
   * metadata and own columns. Use it for the user's first message only, because an answer must not bring back a
   * session that was deleted. If the session exists, they are not stored; their form is checked in any case, and the
   * metadata's size if the call may create the session.
   * @default false
   */
  create?: Creation<Metadata, Table> | undefined;
  /**
   * Appends only if, apart from the messages of this call, the stored conversation ends with this message
   * (null: if it is empty); otherwise `conflict`. Checked before `from` drops anything.
   */
  after?: string | null | undefined;
  /** First drops this message and all that follow, in the same statement. Use it to edit or regenerate. */
  from?: string | undefined;
  /**
   * Also refuses, with `too_large`, if less than an eighth of `maxSessionBytes` (at most 64 KiB) would stay free. Use
   * it before you call a model, whose answer needs room. With messages in rows there is always room.
   * @default false
   */
  leaveRoom?: boolean | undefined;
}

export type Appended<Layout extends MessageLayout = "column"> = Written & {
  /** Whether this call created the session. */
  created: boolean;
  /** Number of messages in the conversation after the call. */
  messageCount: number;
} & Size<Layout>;

export interface Append<Message, Metadata, Table extends JourneyTable, Layout extends MessageLayout> {
  /**
   * Adds messages at the end of the conversation. A message whose id already exists replaces the stored one
   * in the same position, so repeating a call does not change the conversation.
   *
   * @example await sessions.append(id, message, { create: true }) // the first message creates the session
   * @throws not_found, conflict (`ifRevision`, `after`), too_large
   */
  append(
    id: string,
    messages: Message | readonly Message[],
    options?: AppendOptions<Metadata, Table>,
  ): Promise<Appended<Layout>>;
}

const optionsSchema = options<AppendOptions>()({
  create: custom<boolean | object>(
    "a boolean or an object with metadata and own columns",
    (given) => typeof given === "boolean" || isObject(given),
  ).default(false),
  after: messageIdSchema.nullable().optional(),
  from: messageIdSchema.optional(),
  ifRevision: ifRevisionSchema,
  leaveRoom: z.boolean().default(false),
});
const newSessionSchema = options<{ metadata?: unknown }>()({ metadata: z.unknown().optional() });

/** An empty array is refused as a mistake of the caller. */
const someMessages = atLeastOne("at least 1 message");

/** How often others may create the session and delete it again meanwhile. */
const MOST_ROUNDS = 20;

/**
 * Where one statement cannot append to a session or else create it, or takes longer for it: appends, or creates, or appends
 * to what others have created meanwhile.
 */
async function appendInSteps<Row>(send: (creates: boolean) => Promise<Row>): Promise<Row> {
  for (let round = 1; ; round++) {
    try {
      return await send(false);
    } catch (error) {
      // A conflict that may be repeated: others created the session after the statement had found none.
      if (!isRefused(error, "not_found") && !(isRefused(error, "conflict") && error.retryable)) throw error;
    }
    try {
      return await send(true);
    } catch (error) {
      if (!isRefused(error, "conflict") && !isRefused(error, "not_found")) throw error;
      if (round === MOST_ROUNDS) throw refusalError(null, {});
    }
  }
}

/** Whether a statement found no row to write, and the server no mistake in it. */
const isRefused = (error: unknown, code: JourneyDbErrorCode): error is JourneyDbError =>
  error instanceof JourneyDbError && error.code === code && error.sqlState === undefined;

export const verb: Verb<Append<unknown, object, JourneyTable, MessageLayout>["append"]> = {
  takes: ["id", "messages", "options"],
  isRepeatable: without("from", "ifRevision"),
  async run(handle, id, given, options) {
    const { create, after, from = null, ifRevision = null, leaveRoom } = parse(optionsSchema, options);
    const newSession = handle.own.split(typeof create === "object" ? create : {});
    const { metadata: newMetadata } = parse(newSessionSchema, newSession.rest, "options.create");
    const columns = create === false ? {} : handle.own.created(newSession.own, "options.create");
    const messages = parse(someMessages, Array.isArray(given) ? given : [given], "messages");
    const json = handle.json.messages(messages, "messages");
    const metadata = handle.metadata(newMetadata, "options.create.metadata");
    const values = {
      id: handle.sessionId(id),
      messages: json.text,
      checkAfter: after !== undefined,
      after: after ?? null,
      from,
      ifRevision,
      ...handle.limits(json.isWide, leaveRoom),
    };
    const newLimits = handle.limits(metadata.isWide);
    // A new session satisfies no precondition but `after: null`.
    const mayCreate = create !== false && values.after === null && from === null && ifRevision === null;
    const one = messages.length === 1 && from === null;
    const shape = {
      one,
      after: after !== undefined,
      from: from !== null,
    };
    const ofNew = {
      ...ownValues(columns),
      phase: handle.firstPhase,
      metadata: metadata.text,
      maxMetadataBytes: newLimits.maxBytes,
      maxMetadataTextBytes: newLimits.maxTextBytes,
    };
    /** Whether its statement that creates appends to no session that exists. */
    const createsOnly = (layout: Layout) => layout === COLUMN && isDistributed(handle.table);
    const send = (creates: boolean) =>
      handle.change(
        // A session that is found in the column is not to be created.
        (layout) =>
          layout.append({
            ...shape,
            create:
              creates && (layout === handle.layout || !createsOnly(layout)) ? Object.keys(columns) : null,
          }),
        { ...values, ...(creates && ofNew) },
      );
    const [{ messageCount, bytes, created, ...row }] = await (mayCreate && isDistributed(handle.table)
      ? appendInSteps(send)
      : send(mayCreate));
    return {
      ...toWritten(row),
      created,
      messageCount,
      ...(bytes !== undefined && !handle.layout.move && { bytes }),
    };
  },
};
