import { type SQL, sql } from "drizzle-orm";
import { journeySessions } from "../schema.js";
import { revision, type WrittenRow, writtenColumns } from "./columns.js";
import {
  endsWith,
  hasMessage,
  isArray,
  m,
  messageCount,
  overMessages,
  resultFits,
  sizeOf,
  upserted,
  upTo,
} from "./conversation.js";
import { given, givenJson, input, ownedBy } from "./statement.js";
import { type Conditions, sameRevision, writable, write } from "./write.js";

export interface AppendedRow extends WrittenRow {
  created: boolean;
  messageCount: number;
  bytes: number;
}

const returned = {
  ...writtenColumns,
  // Not `xmax = 0`, which is a detail of PostgreSQL's own storage.
  created: sql<boolean>`${journeySessions.createdAt} = ${journeySessions.updatedAt}`,
  messageCount,
  bytes: sizeOf(sql`${journeySessions.messages}`),
};

const values = {
  messages: givenJson("messages"),
  maxBytes: sql`${given("maxBytes")}::int`,
  ifRevision: sql`${given("ifRevision")}::text`,
  checkAfter: sql`${given("checkAfter")}::bool`,
  after: sql`${given("after")}::text`,
  from: sql`${given("from")}::text`,
};
const added = sql`input.messages`;
const from = sql`input."from"`;
const kept = sql`case when ${from} is null then ${m} else ${upTo(from)} end`;
/** Over `m`: `kept` is made once, under the name of the conversation that the new messages go to. */
const appended = (then: (base: SQL) => SQL): SQL =>
  sql`(select ${then(sql`kept.messages`)} from (select ${kept} as messages offset 0) as kept)`;
const result = appended((base) => upserted(base, added));

const conditions: Conditions = {
  row: { ifRevision: sameRevision(revision) },
  conversation: {
    message: hasMessage(from),
    after: sql`(not input."checkAfter" or ${endsWith(sql`input.after`, added)})`,
    size: resultFits(result, added, sql`input."maxBytes"`),
  },
};

/** append on a session that exists. */
export const append = write<AppendedRow>("append", values, conditions, (db) =>
  db
    .update(journeySessions)
    .set({ messages: overMessages(result) })
    .from(input(values))
    .where(writable(conditions))
    .returning(returned),
);

// In `on conflict` the row `input` is not visible: the messages are `excluded.messages` there.
const excluded = sql`excluded.messages`;
const upsertedStored = upserted(m, excluded);
const maxBytes = values.maxBytes;
const newSize = sql`${sizeOf(added)} <= input."maxBytes"`;

/**
 * append with `create`: inserts the session where nobody has the id. Of the preconditions only
 * `after: null` can hold of a session that is not there yet; with any other, append alone is sent.
 */
export const appendOrCreate = write<AppendedRow>(
  "append_or_create",
  values,
  { ...conditions, newSize },
  (db) =>
    db
      .insert(journeySessions)
      .select(
        sql`select ${given("id")}::uuid, ${given("userId")}::text, ${given("phase")}::text, messages, '{}'::jsonb, now(), now() from ${input({ messages: values.messages, maxBytes })} where ${newSize}`,
      )
      .onConflictDoUpdate({
        target: journeySessions.id,
        set: { messages: overMessages(upsertedStored) },
        setWhere: sql`${ownedBy()} and jsonb_typeof(${journeySessions.metadata}) = 'object' and ${overMessages(
          sql`case when ${isArray} then (not ${given("checkAfter")}::bool or ${endsWith(sql`null::text`, excluded)}) and ${resultFits(upsertedStored, excluded, maxBytes)} else false end`,
        )}`,
      })
      .returning(returned),
);
