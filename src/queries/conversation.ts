import { type SQL, type SQLWrapper, sql } from "drizzle-orm";
import type { SessionTable } from "../schema.js";
import { param } from "./statement.js";

/**
 * One conversation, a jsonb array of messages. Ids are compared as jsonb, so that an element without
 * a text id (written by an older program) never matches.
 */
export const m = sql.raw("m");

/** Evaluates `expression` with the stored messages as `m`. `#> '{}'` and `offset 0` make PostgreSQL read them from TOAST once. */
export const overMessages = <T>(table: SessionTable, expression: SQL): SQL<T> =>
  sql<T>`(select ${expression} from (select ${table.messages} #> '{}' as m offset 0) as stored)`;

export const isArray: SQL = sql`jsonb_typeof(${m}) = 'array'`;

/** Whether a session keeps its messages in rows: then `messages` has their number and the id of the last. */
export const areInRows = (messages: SQLWrapper): SQL =>
  sql`(jsonb_typeof(${messages} -> 'rows') is not distinct from 'number')`;

/** Bytes that no marker has: a number, and the id of a message, of at most 256 characters. */
export const LONGEST_MARKER = 2000;

/** As `areInRows`, without reading a long conversation: the value is short then. */
export const areMarked = (messages: SQLWrapper): SQL =>
  sql`(case when pg_column_size(${messages}) < ${sql.raw(String(LONGEST_MARKER))} then ${areInRows(messages)} else false end)`;

const placeBy = (which: "min" | "max", id: SQL): SQL =>
  sql`(select ${sql.raw(which)}(n) from jsonb_array_elements(${m}) with ordinality as e(message, n) where message -> 'id' = to_jsonb(${id}))`;

/** The position of the first message with this id, from 1, or null. */
export const placeOf = (id: SQL): SQL => placeBy("min", id);

/** The position of the last message with this id, from 1, or null. Older programs may have stored an id twice. */
export const lastPlaceOf = (id: SQL): SQL => placeBy("max", id);

/** The messages from position `first` to `last`, from 1; cheaper than unnesting the array. */
export const slice = (first: SQL, last: SQL): SQL =>
  sql`jsonb_path_query_array(${m}, '$[$first to $last]', jsonb_build_object('first', ${first} - 1, 'last', ${last} - 1))`;

/** The messages before this one; empty if there is no such message, for the size check of a refusal. */
export const upTo = (id: SQL): SQL => slice(sql`1`, sql`coalesce(${lastPlaceOf(id)}, 1) - 1`);

/** Whether the conversation has the message; true if `id` is null. */
export const hasMessage = (id: SQL): SQL => sql`(${id} is null or ${placeOf(id)} is not null)`;

/**
 * Whether `m` ends with the message `id` (or is empty, if `id` is null), ignoring messages whose id `isAdded`. Usually
 * the last message is not one of them, and the array need not be unnested.
 */
export const endsWith = (id: SQL, isAdded: (messageId: SQL) => SQL): SQL => {
  const last = sql`${m} -> -1 -> 'id'`;
  return sql`(case
  when not ${isAdded(last)} then case when jsonb_array_length(${m}) > 0 then coalesce(${last}, 'null') end
  else (
    select coalesce(message -> 'id', 'null') from jsonb_array_elements(${m}) with ordinality as e(message, n)
    where not ${isAdded(sql`e.message -> 'id'`)} order by n desc limit 1
  )
end is not distinct from to_jsonb(${id}))`;
};

/**
 * All messages in the order of `place`, as a jsonb array. Not jsonb_agg, which takes quadratic time
 * in the strings of a message: 20 s for an object of 30,000 keys.
 */
export const arrayOf = (message: SQL, place: SQL): SQL =>
  sql`coalesce(to_jsonb(array_agg(${message} order by ${place})), '[]')`;

/**
 * `base` with the messages of `added`: a message with a known id replaces the (first) stored one in its
 * position, the others go to the end in their order.
 *
 * The path expression compares each stored message with each added one, which is fastest for a few
 * added messages; joins are faster for many.
 */
export const upserted = (base: SQL, added: SQL): SQL => sql`case
  when jsonb_array_length(${added}) <= 16 and not jsonb_path_exists(${base}, '$[*] ? (@.id == $added[*].id)', jsonb_build_object('added', ${added})) then ${base} || ${added}
  else (
    select ${arrayOf(sql`coalesce(r.message, b.message)`, sql`b.n`)}
    from jsonb_array_elements(${base}) with ordinality as b(message, n)
    left join (
      select a.message, min(b.n) as n
      from jsonb_array_elements(${added}) as a(message)
      join jsonb_array_elements(${base}) with ordinality as b(message, n) on a.message -> 'id' = b.message -> 'id'
      group by a.message
    ) as r on r.n = b.n
  ) || (
    select ${arrayOf(sql`a.message`, sql`a.n`)}
    from jsonb_array_elements(${added}) with ordinality as a(message, n)
    where not exists (select from jsonb_array_elements(${base}) as b(message) where b.message -> 'id' = a.message -> 'id')
  )
end`;

/** The id of the one message of `added`. */
export const onlyId = (added: SQL): SQL => sql`${added} #> '{0,id}'`;

/**
 * As `upserted`, if `added` has one message: without joins, whose planning is a fifth of the cost of an append to a
 * short session. A growing message is usually the last one and is replaced there without unnesting the array.
 */
export const upsertedOne = (base: SQL, added: SQL): SQL => {
  const id = onlyId(added);
  const isStoredAt = (places: string) =>
    sql`jsonb_path_exists(${base}, ${sql.raw(`'$[${places}] ? (@.id == $id)'`)}, jsonb_build_object('id', ${id}))`;
  return sql`case
  when not ${isStoredAt("*")} then ${base} || ${added}
  when ${base} -> -1 -> 'id' = ${id} and not ${isStoredAt("0 to last - 1")} then jsonb_set(${base}, '{-1}', ${added} -> 0)
  else jsonb_set(${base}, array[(
    select coalesce(min(n) - 1, jsonb_array_length(${base}))::text from jsonb_array_elements(${base}) with ordinality as b(message, n)
    where message -> 'id' = ${id}
  )], ${added} -> 0)
end`;
};

/** The size of a jsonb value that the statement has computed; for a stored column, this would be the compressed size. */
const sizeOf = (value: SQL): SQL<number> => sql<number>`pg_column_size(${value})`;

/** The limits of a stored value in bytes, as jsonb and as text; the latter is null if it need not be checked. */
export interface Limits {
  maxBytes: SQL;
  maxTextBytes: SQL;
}

export const paramLimits: Limits = {
  maxBytes: sql`${param("maxBytes")}::int`,
  maxTextBytes: sql`${param("maxTextBytes")}::int`,
};

/** `paramLimits` as columns of `input`. */
export const inputLimits: Limits = {
  maxBytes: sql`input."maxBytes"`,
  maxTextBytes: sql`input."maxTextBytes"`,
};

/** Whether a value is within the limits. Converting it to text costs as much as the rest of a write, so only if needed. */
export const fits = (value: SQL, { maxBytes, maxTextBytes }: Limits): SQL<boolean> =>
  sql`(${sizeOf(value)} <= ${maxBytes} and case when ${maxTextBytes} is null then true else octet_length(${value}::text) <= ${maxTextBytes} end)`;

/** As `fits`, for an expression, which is evaluated once. */
export const resultFits = (result: SQL, limits: Limits): SQL =>
  sql`(select ${fits(sql`value`, limits)} from (select ${result} as value offset 0) as result)`;

/** Whether `result`, made of `m` and `added`, fits. It is never larger than their sum, which is cheaper to compute. */
export const conversationFits = (result: SQL, added: SQL, limits: Limits): SQL =>
  sql`(${limits.maxTextBytes} is null and ${sizeOf(m)} + ${sizeOf(added)} <= ${limits.maxBytes} or ${resultFits(result, limits)})`;

/** Of the conversation that a write has written, in its RETURNING: the conversation itself would be copied to `written`. */
export const counted = ({ messages }: SessionTable) => ({
  messageCount: sql<number>`jsonb_array_length(${messages})`.as("message_count"),
  // In a sub-select, since distributed engines refuse a function in RETURNING that is not immutable.
  bytes: sql<number>`(select ${sizeOf(sql`${messages}`)})`.as("bytes"),
});

export const messageCount = sql<number>`written.message_count`;
export const bytes = sql<number>`written.bytes`;
