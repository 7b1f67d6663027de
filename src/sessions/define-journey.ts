import type { JourneyMessage, JourneyMetadata, MessageShape } from "../messages.js";
import { callWith, endOfCall } from "../model/call-end.js";
import { toStorable } from "../model/text.js";
import { append, appendOne, appendOneOrCreate, appendOrCreate } from "../queries/append.js";
import { count } from "../queries/count.js";
import { create, createRefusal } from "../queries/create.js";
import { deleteAll, deleteOne } from "../queries/delete.js";
import { exportBatch } from "../queries/export.js";
import { fork } from "../queries/fork.js";
import { get } from "../queries/get.js";
import { heldElsewhere } from "../queries/held-elsewhere.js";
import { latest } from "../queries/latest.js";
import { list } from "../queries/list.js";
import { mergeMetadata } from "../queries/merge-metadata.js";
import { messages } from "../queries/messages.js";
import { replaceMessages } from "../queries/replace-messages.js";
import { search } from "../queries/search.js";
import { setPhase } from "../queries/set-phase.js";
import type { Statement, Values } from "../queries/statement.js";
import { truncate } from "../queries/truncate.js";
import type { Write } from "../queries/write.js";
import { argumentsOf } from "../validation/arguments.js";
import { TEXT_FACTOR } from "../validation/json.js";
import {
  arraySchema,
  databaseSchema,
  type JourneyOptions,
  requestOptionsSchema,
  searchTextSchema,
} from "../validation/options.js";
import { bounded, within } from "./call.js";
import { decodeCursor, encodeCursor } from "./cursor.js";
import { exportRows } from "./export.js";
import {
  corrupt,
  exportAborted,
  idTaken,
  leftOut,
  messageNotFound,
  refusalError,
  sessionNotFound,
  tooLarge,
} from "./refusal.js";
import { corruptColumn, readSummary, toSession, toSummary, toWritten } from "./rows.js";
import { heldByAnother, type Journey, refuseMore, type UserSessions, type Witness } from "./types.js";

const DEFAULT_PHASE = "setup";
const NO_METADATA = { text: "{}", isWide: false };
/** Bytes that `leaveRoom` keeps free at most. */
const LARGEST_ROOM = 64 * 1024;
/** What append takes: no message at all appends nothing, which is never meant. */
const someMessages = arraySchema.refine(({ length }) => length > 0, {
  params: { expected: "at least 1 message" },
});

/**
 * Sets the application's own types and limits.
 *
 * @example
 * export const journey = defineJourney({ message: myMessageSchema, phases: ["setup", "review"] });
 * const sessions = journey.forUser(db, userId, { signal: request.signal });
 * @throws JourneyDbError invalid_input for an option that is not usable
 */
export function defineJourney<
  Message extends MessageShape = JourneyMessage,
  Metadata extends object = JourneyMetadata,
  const Phase extends string = string,
>(options: JourneyOptions<Message, Metadata, Phase> = {}): Journey<Message, Metadata, Phase> {
  const { journey, phaseRule, schemas, json, checked, optionsOf, userIdOf, sessionIdOf } =
    argumentsOf(options);
  const maxBytes = journey.maxSessionBytes;
  const room = Math.min(LARGEST_ROOM, Math.floor(maxBytes / 8));
  /** @param room bytes that are to stay free */
  const limits = (isWide: boolean, room = 0) => ({
    maxBytes: maxBytes - room,
    maxTextBytes: isWide ? TEXT_FACTOR * (maxBytes - room) : null,
    room,
  });

  return {
    forUser(db, givenUserId, request) {
      checked(databaseSchema, db, "db");
      const userId = userIdOf(givenUserId);
      const { signal, timeoutMs = journey.timeoutMs } = optionsOf(requestOptionsSchema, request);

      const send = <Row>(statement: Statement<Row>, values: Omit<Values, "userId"> = {}) =>
        statement.run(db, { ...values, userId }, journey.prepare);

      /** Sends a write on one session; where it changed nothing, one more read tells why. */
      async function change<Row>(write: Write<Row>, values: Omit<Values, "userId">): Promise<Row> {
        const callEnd = endOfCall();
        const [row] = await send(write.statement, values);
        if (row) return row;
        const [refusal] = await callWith(callEnd, () => send(write.refusal, values));
        throw refusalError(refusal, values);
      }

      const deadline = { timeoutMs, signal };
      const calls: Omit<UserSessions<Message, Metadata, Phase>, "export"> = {
        async append(id, given, options) {
          const {
            create: mayCreate,
            after,
            from = null,
            ifRevision = null,
            leaveRoom,
          } = optionsOf(schemas.append, options);
          const messages = checked(someMessages, Array.isArray(given) ? given : [given], "messages");
          const { text, isWide } = json.messages(messages, "messages");
          const values = {
            id: sessionIdOf(id),
            messages: text,
            phase: journey.phases?.[0] ?? DEFAULT_PHASE,
            checkAfter: after !== undefined,
            after: after ?? null,
            from,
            ifRevision,
            ...limits(isWide, leaveRoom ? room : 0),
          };
          // Nothing but "is empty" can hold of a session that is not there.
          const creates = mayCreate && values.after === null && from === null && ifRevision === null;
          const one = messages.length === 1 && from === null;
          const toExisting = one ? appendOne : append;
          const toAny = one ? appendOneOrCreate : appendOrCreate;
          const { messageCount, bytes, created, ...row } = await change(creates ? toAny : toExisting, values);
          return { ...toWritten(row), created, messageCount, bytes };
        },

        async create(given = {}) {
          const session = checked(schemas.create, given, "session");
          const messages = json.messages(session.messages ?? [], "session.messages");
          const metadata =
            session.metadata === undefined
              ? NO_METADATA
              : json.metadata(session.metadata, "session.metadata");
          const values = {
            id: session.id ?? null,
            phase: session.phase ?? journey.phases?.[0] ?? DEFAULT_PHASE,
            messages: messages.text,
            metadata: metadata.text,
            ...limits(messages.isWide || metadata.isWide),
          };
          const callEnd = endOfCall();
          const [row] = await send(create, values);
          if (row) return toSession(row);
          const [refusal] = await callWith(callEnd, () => send(createRefusal, values));
          throw refusal?.fits === false ? tooLarge(values) : idTaken();
        },

        async get(id) {
          const [row] = await send(get, { id: sessionIdOf(id) });
          return row ? toSession(row) : null;
        },

        async messages(id, options) {
          const { limit, before = null } = optionsOf(schemas.messages, options);
          const [page] = await send(messages, { id: sessionIdOf(id), limit, before });
          if (!page) throw sessionNotFound();
          if (!page.isArray) throw corrupt("messages");
          if (page.messages === null) throw messageNotFound("before");
          const session = toSummary<Metadata, Phase>(readSummary(page));
          return {
            session,
            messages: JSON.parse(page.messages),
            hasMore: page.hasMore === true,
            revision: session.revision,
          };
        },

        async latest() {
          const [row] = await send(latest);
          return row ? toSession(row) : null;
        },

        async list(options) {
          const { limit, cursor, orderBy, phase = null } = optionsOf(schemas.list, options);
          const place = cursor === undefined ? undefined : decodeCursor(orderBy, cursor);
          const statement = list(orderBy, place !== undefined, phase !== null);
          // One more than asked for tells whether there is a next page.
          const rows = await send(statement, { ...place, limit: limit + 1, phase });
          const page = rows.slice(0, limit).map(readSummary);
          const last = rows.length > limit && page.at(-1);
          return {
            sessions: page.map((stored) => toSummary<Metadata, Phase>(stored)),
            ...(last && { nextCursor: encodeCursor(orderBy, { time: last[`${orderBy}At`], id: last.id }) }),
          };
        },

        async count() {
          const [row] = await send(count);
          return row?.sessions ?? 0;
        },

        async search(given, options) {
          const text = toStorable(checked(searchTextSchema, given, "text"));
          const rows = await send(search, { text, ...optionsOf(schemas.search, options) });
          return rows.map(({ messageId, before, match, after, ...row }) => ({
            session: toSummary<Metadata, Phase>(readSummary(row)),
            messageId,
            excerpt: { before, match, after },
          }));
        },

        async setPhase(id, phase, options) {
          const { from = null, ifRevision = null } = optionsOf(schemas.setPhase, options);
          const values = {
            id: sessionIdOf(id),
            phase: checked<string>(phaseRule, phase, "phase"),
            from,
            ifRevision,
          };
          return toWritten(await change(setPhase, values));
        },

        async mergeMetadata(id, patch, options) {
          const { ifMatch, ifRevision = null } = optionsOf(schemas.mergeMetadata, options);
          const { text, isWide } = json.patch(patch, "patch");
          const values = {
            id: sessionIdOf(id),
            patch: text,
            ifMatch: ifMatch === undefined ? "{}" : json.match(ifMatch, "options.ifMatch"),
            ifRevision,
            ...limits(isWide),
          };
          const { metadata, ...row } = await change(mergeMetadata, values);
          return { ...toWritten(row), metadata: JSON.parse(metadata) };
        },

        async replaceMessages(id, given, options) {
          const { ifRevision = null } = optionsOf(schemas.onlyRevision, options);
          const { text, isWide } = json.messages(checked(arraySchema, given, "messages"), "messages");
          const { messageCount, bytes, ...row } = await change(replaceMessages, {
            id: sessionIdOf(id),
            messages: text,
            ifRevision,
            ...limits(isWide),
          });
          return { ...toWritten(row), messageCount, bytes };
        },

        async truncate(id, options) {
          const { from, ifRevision = null } = checked(schemas.truncate, options);
          const { messageCount, ...row } = await change(truncate, { id: sessionIdOf(id), from, ifRevision });
          return { ...toWritten(row), messageCount };
        },

        async fork(id, options) {
          const { through = null, id: newId = null } = optionsOf(schemas.fork, options);
          return toSession(await change(fork, { id: sessionIdOf(id), through, newId }));
        },

        async delete(id, options) {
          const { ifRevision = null } = optionsOf(schemas.onlyRevision, options);
          const values = { id: sessionIdOf(id), ifRevision };
          const callEnd = endOfCall();
          const [deleted] = await send(deleteOne.statement, values);
          if (deleted || ifRevision === null) return deleted !== undefined;
          const [refusal] = await callWith(callEnd, () => send(deleteOne.refusal, values));
          if (!refusal?.found) return false;
          throw refusalError(refusal, values);
        },

        async deleteAll() {
          const [row] = await send(deleteAll);
          return row?.sessions ?? 0;
        },
      };

      /** Rows that are no sessions come to light at the end, so that they withhold nothing that is one. */
      async function* sessionsOneByOne(given: readonly unknown[]) {
        refuseMore("export", given);
        let corrupted = 0;
        const batchOf = (values: Omit<Values, "userId">) =>
          within(deadline, "export", [], () => send(exportBatch, values));
        for await (const row of exportRows(batchOf)) {
          if (signal?.aborted) throw exportAborted();
          const stored = readSummary(row);
          if (corruptColumn(row, stored)) corrupted++;
          else yield toSession<Message, Metadata, Phase>(row, stored);
        }
        if (corrupted > 0) throw leftOut(corrupted);
      }

      const handle: UserSessions<Message, Metadata, Phase> & Witness = {
        ...bounded(calls, deadline, refuseMore),
        export: (...given: unknown[]) => ({ [Symbol.asyncIterator]: () => sessionsOneByOne(given) }),
        [heldByAnother]: (id) =>
          within(deadline, "heldByAnother", [], async () => (await send(heldElsewhere, { id })).length > 0),
      };
      return handle;
    },
  };
}

/** `defineJourney().forUser`: any message, any metadata, any phase, the default limits. */
export const { forUser } = defineJourney();
