import { and, type SQL, sql } from "drizzle-orm";
import { isDistributed, keyOf, type SessionTable } from "../schema.js";
import { newSession, type WrittenRow, written, writtenColumns } from "./columns.js";
import {
  bytes,
  conversationFits,
  counted,
  endsWith,
  fits,
  hasMessage,
  inputLimits,
  m,
  messageCount,
  onlyId,
  overMessages,
  paramLimits,
  upserted,
  upsertedOne,
  upTo,
} from "./conversation.js";
import { onlyColumns, ownTouched, turn } from "./own-columns.js";
import { input, insertion, isEmpty, jsonParam, ownedBy, param, perShape, perTable } from "./statement.js";
import {
  type Condition,
  type Conditions,
  conversationHolds,
  ifRevision,
  metadataIsObject,
  type RowOf,
  returned,
  sameRevision,
  update,
  write,
} from "./write.js";

export type AppendedRow = WrittenRow & { messageCount: number; bytes?: number; created: boolean };

const row = {
  // Not `xmax = 0`, which is an implementation detail of PostgreSQL.
  created: sql<boolean>`${written.createdAt} = ${written.updatedAt}`,
  messageCount,
  bytes,
};

const values = {
  messages: jsonParam("messages"),
  ...paramLimits,
  ifRevision,
  checkAfter: sql`${param("checkAfter")}::bool`,
  after: sql`${param("after")}::text`,
};
const added = sql`input.messages`;

/** How a call with one message, or with any number, changes the conversation and tests whether it contains an id. */
interface Kind {
  upsert(base: SQL, added: SQL): SQL;
  isAdded(added: SQL): (messageId: SQL) => SQL;
}
const ONE: Kind = {
  upsert: upsertedOne,
  isAdded: (added) => (messageId) => sql`${messageId} is not distinct from ${onlyId(added)}`,
};
const ANY: Kind = {
  upsert: upserted,
  isAdded: (added) => (messageId) =>
    sql`exists (select from jsonb_array_elements(${added}) as a(message) where a.message -> 'id' = ${messageId})`,
};

/** @param result the new conversation, in terms of `m` and `input` */
const conditionsOf = (
  table: SessionTable,
  kind: Kind,
  result: SQL,
): Conditions & { conversation: Condition[] } => ({
  values,
  row: [sameRevision(table), metadataIsObject(table)],
  conversation: [
    ["after", sql`(not input."checkAfter" or ${endsWith(sql`input.after`, kind.isAdded(added))})`],
    ["size", conversationFits(result, added, inputLimits)],
  ],
});

const one = upsertedOne(m, added);
/** Appends one message to an existing session, without `from`. */
export const appendOne = perTable((table) =>
  update(table, "append_one", conditionsOf(table, ONE, one), { messages: overMessages(table, one) }, row),
);

const from = sql`input."from"`;
const kept = sql`case when ${from} is null then ${m} else ${upTo(from)} end`;
// `offset 0`: `kept` is evaluated once.
const any = sql`(select ${upserted(sql`kept.messages`, added)} from (select ${kept} as messages offset 0) as kept)`;
/** Appends messages to an existing session. */
export const append = perTable((table) => {
  const conditions = conditionsOf(table, ANY, any);
  return update(
    table,
    "append",
    {
      ...conditions,
      values: { ...values, from: sql`${param("from")}::text` },
      conversation: [["message", hasMessage(from)], ...conditions.conversation],
    },
    { messages: overMessages(table, any) },
    row,
  );
});

// `on conflict` cannot refer to `input`; there the messages are `excluded.messages`.
const excluded = sql`excluded.messages`;
/** With limits of its own: `leaveRoom` concerns the conversation only, and each is measured as text only if it may be wide. */
export const newMetadata = {
  metadata: jsonParam("metadata"),
  maxMetadataBytes: sql`${param("maxMetadataBytes")}::int`,
  maxMetadataTextBytes: sql`${param("maxMetadataTextBytes")}::int`,
};
export const newMetadataFits = fits(sql`input.metadata`, {
  maxBytes: sql`input."maxMetadataBytes"`,
  maxTextBytes: sql`input."maxMetadataTextBytes"`,
});
const newFits = sql`(${fits(added, inputLimits)} and ${newMetadataFits})`;

const appendOrCreateOf = (name: string, kind: Kind) =>
  perShape(isEmpty, (table, own: readonly string[], preparing) => {
    const { id, createdAt, updatedAt } = table;
    const result = kind.upsert(m, excluded);
    const isOtherwiseEmpty = endsWith(sql`null::text`, kind.isAdded(excluded));
    const conditions = conditionsOf(table, kind, kind.upsert(m, added));
    const columns = newSession(table, sql`${param("id")}::uuid`, own);
    // Not now(): distributed engines refuse functions here that are not immutable.
    const set = {
      updatedAt: sql`excluded.updated_at`,
      messages: overMessages(table, result),
      ...ownTouched(table),
    };
    return write<WrittenRow & RowOf<typeof row>>(
      table,
      name,
      {
        ...conditions,
        values: { ...values, ...newMetadata },
        // Metadata that does not fit is refused, whether or not there is a session to give it to.
        conversation: [...conditions.conversation, ["size", newMetadataFits, "explained only"]],
        created: [["size", newFits]],
      },
      (db) => {
        const inserting = db
          .insert(onlyColumns(table, Object.keys(columns), Object.keys(set)))
          .select(
            sql`select ${sql.join(Object.values(columns), sql`, `)} from ${input({ messages: values.messages, ...newMetadata, ...paramLimits, ...turn(table) })} where ${newFits}`,
          );
        const target = keyOf(table);
        const appending = isDistributed(table)
          ? inserting.onConflictDoNothing({ target })
          : inserting.onConflictDoUpdate({
              target,
              set,
              setWhere: and(
                ownedBy(table),
                metadataIsObject(table)[1],
                conversationHolds(table, [
                  ["after", sql`(not ${values.checkAfter} or ${isOtherwiseEmpty})`],
                  ["size", conversationFits(result, excluded, paramLimits)],
                ]),
              ) as SQL,
            });
        return returned(db, appending.returning({ id, createdAt, updatedAt, ...counted(table) }), {
          ...writtenColumns,
          ...row,
        });
      },
      { kind: insertion, preparing },
    );
  });

/**
 * append with `create`: inserts the session if the id is free. A new session can only satisfy the
 * precondition `after: null`; with any other, the verb sends `append`. Its shape is that of `create`.
 *
 * On a distributed table it only inserts: such an engine accepts no function in `do update` that is not immutable.
 */
export const appendOrCreate = appendOrCreateOf("append_or_create", ANY);

/** appendOrCreate for one message. */
export const appendOneOrCreate = appendOrCreateOf("append_one_or_create", ONE);
