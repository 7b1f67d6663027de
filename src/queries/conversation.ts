import { type SQL, sql } from "drizzle-orm";
import { journeySessions } from "../schema.js";
import { written } from "./columns.js";
import { param } from "./statement.js";

/**
 * SQL over one conversation `m`, a jsonb array of messages. Ids are compared as jsonb, so that an
 * element without a text id (an older program's) is never taken for a message.
 */
export const m = sql.raw("m");

/** `expression` over the stored messages as `m`, read from TOAST once: `#> '{}'` copies, `offset 0` keeps the copy. */
export const overMessages = <T>(expression: SQL): SQL<T> =>
  sql<T>`(select ${expression} from (select ${journeySessions.messages} #> '{}' as m offset 0) as stored)`;

export const isArray: SQL = sql`jsonb_typeof(${m}) = 'array'`;

const placeBy = (which: "min" | "max", id: SQL): SQL =>
  sql`(select ${sql.raw(which)}(n) from jsonb_array_elements(${m}) with ordinality as e(message, n) where message -> 'id' = to_jsonb(${id}))`;

/** The place of the first message with that id, from 1; null where there is none. */
export const placeOf = (id: SQL): SQL => placeBy("min", id);

/** The place of the last one: of an older program's messages with one id, what is dropped begins there. */
export const lastPlaceOf = (id: SQL): SQL => placeBy("max", id);

/** The messages from place `first` to place `last`, from 1; cheaper than taking the array apart. */
export const slice = (first: SQL, last: SQL): SQL =>
  sql`jsonb_path_query_array(${m}, '$[$first to $last]', jsonb_build_object('first', ${first} - 1, 'last', ${last} - 1))`;

/** What stands before the message; nothing where there is none, which a refusal asks the size of. */
export const upTo = (id: SQL): SQL => slice(sql`1`, sql`coalesce(${lastPlaceOf(id)}, 1) - 1`);

/** Whether the conversation has the message, where one was named. */
export const hasMessage = (id: SQL): SQL => sql`(${id} is null or ${placeOf(id)} is not null)`;

/**
 * Whether `m` ends with the message `id` (is empty, where `id` is null) when those are looked past
 * whose id `isAdded`. Mostly the last is none of them, and the conversation is not taken apart.
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
 * All messages in the order of `place`, as a jsonb array. Not by jsonb_agg, which for each string
 * in a message looks at all that follow it: 20 s for an object of 30,000 keys.
 */
export const arrayOf = (message: SQL, place: SQL): SQL =>
  sql`coalesce(to_jsonb(array_agg(${message} order by ${place})), '[]')`;

/**
 * `base` with the messages of `added`: one whose id is there is replaced in its place, the others
 * go to the end in their order. Of an older program's messages with one id the first is replaced.
 *
 * The path expression compares each stored message with each added one. That is the quickest way
 * to see that a few are new; of many, the joins are.
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
 * As `upserted` where `added` has one message, with no plan of joins to set up: a fifth of what an
 * append to a short session costs. A message that grows is the last one and is replaced there,
 * without taking the conversation apart.
 */
export const upsertedOne = (base: SQL, added: SQL): SQL => {
  const id = onlyId(added);
  const among = (places: string) =>
    sql`jsonb_path_exists(${base}, ${sql.raw(`'$[${places}] ? (@.id == $id)'`)}, jsonb_build_object('id', ${id}))`;
  return sql`case
  when not ${among("*")} then ${base} || ${added}
  when ${base} -> -1 -> 'id' = ${id} and not ${among("0 to last - 1")} then jsonb_set(${base}, '{-1}', ${added} -> 0)
  else jsonb_set(${base}, array[(
    select coalesce(min(n) - 1, jsonb_array_length(${base}))::text from jsonb_array_elements(${base}) with ordinality as b(message, n)
    where message -> 'id' = ${id}
  )], ${added} -> 0)
end`;
};

/** The size of a jsonb value that the statement made itself; of a stored column it would be the compressed size. */
export const sizeOf = (value: SQL): SQL<number> => sql<number>`pg_column_size(${value})`;

/** The limits of what is stored: its bytes as jsonb, and as text where that was asked about, else null. */
export interface Limits {
  maxBytes: SQL;
  maxTextBytes: SQL;
}

export const paramLimits: Limits = {
  maxBytes: sql`${param("maxBytes")}::int`,
  maxTextBytes: sql`${param("maxTextBytes")}::int`,
};

/** The same as columns of `input`. */
export const inputLimits: Limits = {
  maxBytes: sql`input."maxBytes"`,
  maxTextBytes: sql`input."maxTextBytes"`,
};

/** Whether a value is within the limits. Its size as jsonb is at hand; to make the text costs as much as the rest of a write. */
export const fits = (value: SQL, { maxBytes, maxTextBytes }: Limits): SQL<boolean> =>
  sql`(${sizeOf(value)} <= ${maxBytes} and case when ${maxTextBytes} is null then true else octet_length(${value}::text) <= ${maxTextBytes} end)`;

/** As `fits`, of a value that is not at hand: it is made once. */
export const resultFits = (result: SQL, limits: Limits): SQL =>
  sql`(select ${fits(sql`value`, limits)} from (select ${result} as value offset 0) as result)`;

/** Whether what becomes of `m` with `added` fits. The sum is never less than the result's size, and known without making it. */
export const conversationFits = (result: SQL, added: SQL, limits: Limits): SQL =>
  sql`(${limits.maxTextBytes} is null and ${sizeOf(m)} + ${sizeOf(added)} <= ${limits.maxBytes} or ${resultFits(result, limits)})`;

/** Of the conversation that a write has written. */
export const messageCount = sql<number>`jsonb_array_length(${written.messages})`;
export const bytes = sizeOf(written.messages);
