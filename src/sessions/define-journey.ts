import type { JourneyMessage, JourneyMetadata, MessageShape } from "../messages.js";
import { callWith, endOfCall } from "../model/call-end.js";
import type { Database } from "../model/database.js";
import { isInFailedTransaction, isSerializationFailure, lacksKey } from "../model/driver-errors.js";
import { JourneyDbError } from "../model/errors.js";
import { openedOf } from "../model/listener.js";
import { heldElsewhere } from "../queries/held-elsewhere.js";
import { COLUMN, type Layout, type MovedRow } from "../queries/layout.js";
import { touchValues } from "../queries/own-columns.js";
import { DriverFailure, MOST_ATTEMPTS, repeated, type Statement } from "../queries/statement.js";
import { watched } from "../queries/watched.js";
import { asDistributed, type JourneyTable, type journeySessions, type MessagesTable } from "../schema.js";
import { argumentsOf } from "../validation/arguments.js";
import type { JourneyOptions } from "../validation/journey-options.js";
import { databaseSchema, type RequestOptions, requestOptionsSchema } from "../validation/options.js";
import { parse } from "../validation/parse.js";
import { within } from "./call.js";
import { changesOf, countReader } from "./changes.js";
import { refusalError } from "./refusal.js";
import type { MessageLayout } from "./types.js";
import { always, type Handle, type Sent, type Verb } from "./verb.js";
import { type UserSessions, VERBS } from "./verbs.js";
import { heldByAnother, holdReader, type Witness } from "./witness.js";

/** Access to users' sessions, with the application's own types. */
export interface Journey<
  Message,
  Metadata,
  Phase extends string,
  Table extends JourneyTable = typeof journeySessions,
  Layout extends MessageLayout = "column",
> {
  /**
   * The sessions of one user. A handle is cheap: create one per request.
   *
   * @param db a Drizzle PostgreSQL database or transaction
   * @param userId the owner: 1–255 characters without leading or trailing white space
   * @throws JourneyDbError invalid_input for an invalid user id
   */
  forUser(
    db: Database,
    userId: string,
    options?: RequestOptions,
  ): UserSessions<Message, Metadata, Phase, Table, Layout>;
}

/** How often a statement is sent at most that SERIALIZABLE refuses. */
const MOST_REFUSALS = 10;

const failedBy = (is: (thrown: unknown) => boolean, failure: unknown): boolean =>
  failure instanceof DriverFailure && is(failure.thrown);

type AnyVerb = Verb<(...args: never[]) => unknown>;
type Verbs = Record<string, AnyVerb>;

/** Ignoring an argument could do harm: the caller may have meant a dry run. */
function refuseMore(name: string, { takes }: AnyVerb, args: readonly unknown[]): void {
  if (args.slice(takes.length).every((one) => one === undefined)) return;
  const more = takes.includes("options") ? "no more arguments" : "no options";
  throw new JourneyDbError("invalid_input", `${name}(${takes.join(", ")}) takes ${more}; nothing was sent.`);
}

/**
 * Sets the application's own table, types and limits.
 *
 * @example
 * export const journey = defineJourney({ message: myMessageSchema, phases: ["setup", "review"] });
 * const sessions = journey.forUser(db, userId, { signal: request.signal });
 * @throws JourneyDbError invalid_input for an invalid option
 */
export function defineJourney<
  Message extends MessageShape = JourneyMessage,
  Metadata extends object = JourneyMetadata,
  const Phase extends string = string,
  Table extends JourneyTable = typeof journeySessions,
  Messages extends MessagesTable<Table> | undefined = undefined,
>(
  options: JourneyOptions<Message, Metadata, Phase, Table, Messages> = {},
): Journey<Message, Metadata, Phase, Table, Messages extends MessagesTable ? "rows" : "column"> {
  const args = argumentsOf(options);
  const ownLayout = (args.layoutOfMessages ?? COLUMN) as Layout;
  const tables = { plain: args.table, distributed: asDistributed(args.table) };
  let { distributed } = args;
  const ownReplies = args.callsOfReplies as { verbs: Verbs; watched: Handle["watched"] } | undefined;
  return {
    forUser(db, givenUserId, request) {
      parse(databaseSchema, db, "db");
      const userId = args.userId(givenUserId);
      const { signal, timeoutMs = args.timeoutMs } = parse(requestOptionsSchema, request);
      const deadline = { timeoutMs, signal };

      const run = <Row>(statement: Statement<Row>, values: Sent) =>
        // Under SERIALIZABLE, the messages' common index makes writes to different sessions refuse one another.
        (ownLayout.move ? repeated(statement, isSerializationFailure, MOST_REFUSALS) : statement).run(
          db,
          { ...values, userId },
          args.prepare,
        );
      const handle: Handle = {
        ...args,
        get table() {
          return distributed ? tables.distributed : tables.plain;
        },
        timeoutMs,
        layout: ownLayout,
        signal,
        send: (statementOf, values = {}) => run(statementOf(handle.table), values),
        async change(writeOf, given, moves = true) {
          const { table } = handle;
          const callEnd = endOfCall();
          const later = <Row>(statement: Statement<Row>, values: Sent) =>
            callWith(callEnd, () => run(statement, values));
          const { move } = ownLayout;
          const own = writeOf(ownLayout)(table);
          let values = given;
          let write = own;
          for (let attempt = 1; ; attempt++) {
            const [row, ...rows] = await later(write.statement, { ...touchValues(table), ...values });
            if (row) return [row, ...rows];
            const [{ reason } = { reason: null }] = await later(write.refusal, values);
            const isToRepeat = reason === null ? own.isRepeated : reason === "column" || reason === "rows";
            if (!move || !isToRepeat || attempt === MOST_ATTEMPTS || callEnd?.ended)
              throw refusalError(reason, given);
            write = own;
            if (reason !== "column") continue;
            const [moved] = moves
              ? await later(move(table), { ifRevision: null, ...touchValues(table), ...values })
              : ([] as MovedRow[]);
            if (!moved) write = writeOf(COLUMN)(table);
            // The caller's revision was that of before the move.
            else if (values.ifRevision) values = { ...values, ifRevision: moved.revision };
          }
        },
        withinDeadline: (part) => within(deadline, { isRepeatable: always, table: args.tableName }, part),
        watched: ownReplies?.watched ?? watched,
        changes: (id, of, isHeld) =>
          changesOf(
            // Triggers notify on the server that has the row, where nobody listens.
            {
              ...openedOf(db),
              ...(distributed ? { listener: undefined } : args.listener && { listener: args.listener }),
            },
            isHeld ? undefined : userId,
            id,
            of,
          ),
      };

      const call = (name: string, verb: AnyVerb, given: unknown[]) => {
        const isRepeatable = () =>
          verb.isRepeatable((given[verb.takes.indexOf("options")] ?? {}) as Record<string, unknown>);
        const kind = { isRepeatable, deletes: verb.deletes, table: args.tableName };
        return within(deadline, kind, async () => {
          refuseMore(name, verb, given);
          const callEnd = endOfCall();
          const run = () => callWith(callEnd, () => verb.run(handle, ...given));
          const before = distributed;
          try {
            return await run();
          } catch (refusal) {
            if (!failedBy(lacksKey, refusal) || callEnd?.ended) throw refusal;
            // Nothing was written: the table has the other of the two keys.
            distributed = !before;
            try {
              return await run();
            } catch (again) {
              throw failedBy(isInFailedTransaction, again) ? refusal : again;
            }
          }
        });
      };
      const stream = (name: string, verb: AnyVerb, given: unknown[]) => ({
        async *[Symbol.asyncIterator]() {
          refuseMore(name, verb, given);
          yield* verb.run(handle, ...given) as AsyncIterable<unknown>;
        },
      });
      const methodsOf = (verbs: Verbs) =>
        Object.fromEntries(
          Object.entries(verbs).map(([name, verb]) => {
            const make = verb.isStream ? stream : call;
            return [name, (...given: unknown[]) => make(name, verb, given)];
          }),
        );
      const sessions = {
        ...methodsOf(VERBS as Verbs),
        ...(ownReplies && { replies: methodsOf(ownReplies.verbs) }),
      };
      const witness: Witness = {
        [heldByAnother]: async (id) =>
          (await handle.withinDeadline(() => handle.send(heldElsewhere, { id }))).length > 0,
        [holdReader]: () => countReader(userId),
      };
      return Object.assign(sessions as never, witness);
    },
  };
}

/** `defineJourney().forUser`: any messages, metadata and phases, with the default limits. */
export const { forUser } = defineJourney();
