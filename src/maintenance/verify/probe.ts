import { eq, type SQL, type SQLWrapper, sql } from "drizzle-orm";
import { type PgColumnBuilderBase, pgSchema, pgTable, text } from "drizzle-orm/pg-core";
import type { Database } from "../../model/database.js";
import { fromDriver } from "../../model/driver-errors.js";
import { read } from "../read.js";
import { literal } from "../table-sql.js";
import type { Context } from "./check.js";
import type { DeclaredTable, DeclaredTrigger } from "./declared.js";
import { onTriggers } from "./distributed.js";
import { atOnce, error, type Finding, type FindingCode, note, type Remedy } from "./finding.js";
import { attempt, isOfServer, isolated } from "./run.js";

/** How far the clocks of a cluster's servers may be apart. */
const CLOCKS = "interval '10 minutes'";

/** The columns with a default, and the condition that the default was stored. */
export const defaultsOf = ({ columns, distributed }: DeclaredTable): Record<string, string> =>
  Object.fromEntries(
    columns
      .filter((column) => column.default !== null)
      .map(({ name, type, primary, default: value }) => [
        name,
        primary
          ? `${name} is not null`
          : // The server that stores the row may have another clock.
            distributed && type === "timestamp with time zone"
            ? `${name} between ${value} - ${CLOCKS} and ${value} + ${CLOCKS}`
            : `${name} = ${value}`,
      ]),
  );

const SEE_OTHERS = "see the other findings";

/** Columns of the application that need a value, each with an SQL expression for one. */
type Samples = { column: string; value: string }[];

/** The row that verify writes. No user has its id: this package refuses ids that begin with a space. */
interface Probe {
  context: Context;
  owner: string;
  samples: Samples;
  /** The application's triggers that an insert fires. */
  triggers: string[];
  /** The table with the columns of the row only, so that no other is sent. */
  probed: ReturnType<typeof probedTable>;
}

function withColumns<Columns extends Record<string, PgColumnBuilderBase>>(
  { key, schema }: DeclaredTable,
  columns: Columns,
) {
  const declare = schema === undefined ? pgTable : (pgSchema(schema).table as unknown as typeof pgTable);
  return declare(key, columns);
}

function probedTable(table: DeclaredTable, samples: Samples) {
  const own = samples.map(({ column }, index) => [`own${index}`, text(column)] as const);
  return withColumns(table, { userId: text("user_id"), ...Object.fromEntries(own) });
}

/**
 * Inserts a row with a user id and what the application's own columns need, updates it and deletes it, in a transaction
 * that is rolled back, or without one if the driver has none.
 */
export async function probe(context: Context): Promise<Finding[]> {
  const owner = ` journey-db verify ${crypto.randomUUID()}`;
  const samples = await readSamples(context);
  const triggers = await readTriggers(context);
  const one: Probe = { context, owner, samples, triggers, probed: probedTable(context.table, samples) };
  let findings: Finding[];
  let left: Finding[] = [];
  try {
    findings = await insertUpdateDelete(one);
  } finally {
    if (!context.inTransaction) left = await cleanUp(one);
  }
  return [...findings, ...left];
}

/**
 * The columns that are NOT NULL without a default, as far as the application declares them, or all if that is not known.
 * A foreign key gets a value of the table that it references.
 */
async function readSamples({ db, table, packageOnly }: Context): Promise<Samples> {
  const taken = table.columns.map(({ name }) => literal(name)).join(", ");
  const own = table.own.columns.map(({ key }) => literal(key)).join(", ");
  const declared = packageOnly ? `a.attname not in (${taken})` : `a.attname in (${own || "null"})`;
  return read<{ column: string; value: string }>(
    db,
    sql`select a.attname::text as column, coalesce((
        select format('(select %I from %s limit 1)', f.attname, k.confrelid::regclass)
        from pg_constraint k join pg_attribute f on f.attrelid = k.confrelid and f.attnum = k.confkey[array_position(k.conkey, a.attnum)]
        where k.contype = 'f' and k.conrelid = a.attrelid and a.attnum = any (k.conkey) limit 1
      ), case
        when e.label is not null then quote_literal(e.label)
        when t.typcategory = 'A' then quote_literal('{}')
        when t.typcategory = 'B' then 'false'
        when t.typcategory = 'D' then 'now()'
        when t.typcategory = 'N' then '0'
        when t.typcategory = 'S' then quote_literal('x')
        when t.typcategory = 'T' then quote_literal('0')
        when t.typcategory = 'R' then quote_literal('empty')
        when t.typcategory = 'I' then quote_literal('127.0.0.1')
        when b.typname in ('json', 'jsonb') then quote_literal('{}')
        when b.typname = 'uuid' then 'gen_random_uuid()'
        when b.typname = 'point' then quote_literal('(0,0)')
        else quote_literal('')
      end) as value
      from pg_attribute a join pg_type t on t.oid = a.atttypid
        join pg_type b on b.oid = case when t.typtype = 'd' then t.typbasetype else t.oid end
        left join lateral (select enumlabel as label from pg_enum where enumtypid = b.oid order by enumsortorder limit 1) e on true
      where a.attrelid = ${table.oid} and a.attnum > 0 and not a.attisdropped and a.attnotnull and not a.atthasdef and a.attidentity = '' and ${sql.raw(declared)}`,
  );
}

async function readTriggers({ db, table }: Context): Promise<string[]> {
  const triggers = await read<{ name: string }>(
    db,
    // tgtype: insert (4).
    sql`select quote_ident(tgname) as name from pg_trigger
      where tgrelid = ${table.oid} and not tgisinternal and tgenabled in ('O', 'A') and tgtype::int & 4 = 4 order by tgname`,
  );
  return triggers.map(({ name }) => name);
}

/** What the application has that refuses the row of the probe, but perhaps no row of the application. */
function refusedBy(thrown: unknown, { context, samples, triggers }: Probe): string | undefined {
  const { sqlState = "", constraint = "" } = fromDriver(thrown, true);
  const { key, checks } = context.table;
  const packages = ["", `${key}_pkey`, ...checks.map((one) => one.key)];
  if (sqlState === "23502" || isOfServer(sqlState)) return undefined;
  if (sqlState.startsWith("23") && !packages.includes(constraint))
    return `constraint ${constraint} ${REFUSES}`;
  if (sqlState === "42501" && samples.some(isReferenced))
    return "the role may not read a table that a foreign key references.";
  if (triggers.length > 0) return `trigger ${triggers.join(" or ")} ${REFUSES}`;
  return undefined;
}

const REFUSES = "refuses the row that verify inserts.";

const isReferenced = ({ value }: Samples[number]) => value.startsWith("(select ");

/** Runs statements. If the server rejects one, that is the finding. */
const tryOut = (code: FindingCode, refused: string, remedy: string, run: () => Promise<Finding[]>) =>
  attempt(run, ({ sqlState }) => error(code, `${refused}: SQLSTATE ${sqlState}.`, remedy));

/** The value of the sample may be one that a rule of the application refuses. */
function isBadSample(thrown: unknown, samples: Samples): boolean {
  const { sqlState = "" } = fromDriver(thrown, true);
  // A referenced table may have no row to take a value from. Other columns are not NULL because of a sample.
  if (sqlState === "23502") return samples.some(isReferenced);
  return samples.length > 0 && sqlState.startsWith("22");
}

interface Row {
  holds: string;
  createdAt: string;
  updatedAt: string;
}

async function insertUpdateDelete(one: Probe): Promise<Finding[]> {
  const { context, owner, samples, probed } = one;
  const defaults = defaultsOf(context.table);
  let row: Row | undefined;
  const inserted = await tryOut(
    "insert_failed",
    "A session with only a user_id cannot be created",
    `${SEE_OTHERS}; a column, constraint or trigger that is not part of the table may reject it`,
    async () => {
      const holds = Object.values(defaults).map((condition) => sql.raw(`coalesce(${condition}, false)`));
      const returned = Object.keys(defaults).map((name) => [name, sql.raw(name)]);
      try {
        const values: [string, SQL][] = [];
        for (const [index, sample] of samples.entries())
          values.push([`own${index}`, sql.raw(await sampleSql(context.db, sample))]);
        const inserting = context.db
          .insert(probed)
          .values({ userId: owner, ...Object.fromEntries(values) })
          .returning(Object.fromEntries(returned));
        [row] = await written<Row>(context.db, inserting, {
          holds: sql<string>`to_jsonb(array[${sql.join(holds, sql`, `)}])::text`,
          createdAt,
          updatedAt,
        });
      } catch (thrown) {
        const refused = refusedBy(thrown, one);
        if (refused) {
          const message = `Inserting was not tried to the end: ${refused}`;
          return [note("unchecked", message, "none is needed if the application's sessions are accepted")];
        }
        if (isBadSample(thrown, samples)) return [];
        throw thrown;
      }
      if (!row) {
        const message = "A new session is not stored, and no error is raised.";
        return [error("insert_failed", message, `${SEE_OTHERS}; a trigger or a rule may discard it`)];
      }
      context.onInserted();
      const applied: boolean[] = JSON.parse(row.holds);
      const missed = Object.keys(defaults).filter((_, index) => !applied[index]);
      return missed.map((column) => {
        const message = `A session with only a user_id does not get the default of ${column}.`;
        return error("default_not_applied", message, `${SEE_OTHERS}; a trigger may change it`);
      });
    },
  );
  if (!row) return inserted;
  const findings = [...inserted, ...(await update(one, row))];
  const { messages } = context.table;
  // After a statement that the server refused, the transaction accepts no other.
  if (findings.some(({ code }) => ["update_failed", "unchecked", "disk_full"].includes(code)))
    return findings;
  // Without a transaction, the message might stay.
  if (messages && context.inTransaction) findings.push(...(await insertMessage(one, messages)));
  const remedy = `${SEE_OTHERS}; another trigger or a rule may keep it`;
  const deleted = await tryOut("delete_failed", "A session cannot be deleted", remedy, async () =>
    (await remove(one))
      ? []
      : [error("delete_failed", "A session is not deleted, and no error is raised.", remedy)],
  );
  return [...findings, ...deleted];
}

const createdAt = sql<string>`to_jsonb(created_at) #>> '{}'`;
const updatedAt = sql<string>`to_jsonb(updated_at) #>> '{}'`;

/** Reads what a statement returns. On a distributed table, RETURNING accepts columns and no such functions. */
function written<Of extends object>(
  db: Database,
  writing: SQLWrapper,
  row: { [Name in keyof Of]: SQL<Of[Name]> },
): Promise<Of[]> {
  const rows = db.$with("written", {}).as(writing.getSQL());
  const selecting = db.with(rows).select(row as Record<string, SQL>);
  return selecting.from(rows as never) as unknown as Promise<Of[]>;
}

/** As SQL. On a distributed table, VALUES accepts no query. */
async function sampleSql(db: Database, sample: Samples[number]): Promise<string> {
  if (!isReferenced(sample)) return sample.value;
  const [found] = await read<{ value: string }>(
    db,
    sql`select quote_nullable(${sql.raw(sample.value)}) as value`,
  );
  return found?.value ?? "null";
}

const update = ({ context, owner, probed }: Probe, before: Row) =>
  tryOut("update_failed", "A session cannot be updated", SEE_OTHERS, async () => {
    const updateOnce = async (since: string) => {
      const updating = context.db
        .update(probed)
        .set({ userId: sql`user_id` })
        .where(eq(probed.userId, owner))
        .returning({ createdAt: sql`created_at`, updatedAt: sql`updated_at` });
      const [after] = await written<Omit<Row, "holds"> & { increased: boolean }>(context.db, updating, {
        createdAt,
        updatedAt,
        // now() is the same in the whole transaction, but a revision must not be.
        increased: sql`coalesce(updated_at > ${since}::text::timestamptz, false)`,
      });
      return after;
    };
    let after = await updateOnce(before.updatedAt);
    // The first now() was that of this server, and each later one is of the server that has the row.
    if (after?.increased && context.table.distributed) after = await updateOnce(after.updatedAt);
    const findings: Finding[] = [];
    if (!after?.increased) {
      const message = "An update does not increase updated_at: a revision may repeat.";
      findings.push(error("updated_at_unchanged", message, await runFirst(context)));
    }
    if (after && after.createdAt !== before.createdAt) {
      const remedy = `${SEE_OTHERS}; another trigger may set it`;
      findings.push(error("created_at_changed", "An update changes created_at.", remedy));
    }
    return findings;
  });

/** Inserts and deletes a message. What the server refuses because of a column or a privilege, others report. */
const insertMessage = ({ context, owner }: Probe, messages: DeclaredTable): Promise<Finding[]> => {
  const [userId, sessionId, id] = [text("user_id"), text("session_id"), text("id")];
  const [appendedAt, n, message] = [text("appended_at"), text("n"), text("message")];
  const table = withColumns(messages, { userId, sessionId, id, appendedAt, n, message });
  const row = sql`select user_id, id, 'm1', updated_at, 1, '{"id":"m1","role":"user","parts":[]}'::json
    from ${sql.raw(context.table.sql)} where user_id = ${owner}`;
  const run = async (on: Database) => {
    const stored = await on.insert(table).select(row).returning({ session: table.sessionId });
    for (const { session } of stored)
      await on.delete(table).where(sql`user_id = ${owner} and session_id = ${session}::uuid`);
    if (stored.length > 0) return [];
    const problem = `A new message is not stored in ${messages.label}, and no error is raised.`;
    return [error("insert_failed", problem, `${SEE_OTHERS}; a trigger or a rule may discard it`)];
  };
  return attempt(
    () =>
      isolated(context, run).catch((thrown) => {
        if (/^42|^23502/.test(fromDriver(thrown, true).sqlState ?? "")) return [];
        throw thrown;
      }),
    ({ sqlState }) =>
      note(
        "unchecked",
        `Inserting into ${messages.label} was not tried to the end: SQLSTATE ${sqlState}.`,
        `${SEE_OTHERS}; none is needed if the application's messages are accepted`,
      ),
  );
};

/** If another trigger sets updated_at after this package's, its name must come first: triggers run in order of their names. */
async function runFirst({ db, table }: Context): Promise<Remedy> {
  const own = table.triggers[0] as DeclaredTrigger;
  const key = literal(own.key);
  const triggers = await read<{ name: string; renamed: string; earlier: boolean }>(
    db,
    // tgtype: for each row (1), before (2), update (16).
    sql`select quote_ident(tgname) as name, quote_ident('0_' || tgname) as renamed,
        length(tgname) <= 61 and ('0_' || tgname) collate "C" < ${sql.raw(key)} collate "C" as earlier
      from pg_trigger join pg_proc p on p.oid = tgfoid
      where tgrelid = ${table.oid} and not tgisinternal and tgenabled in ('O', 'A') and tgtype::int & 19 = 19
        and tgname collate "C" > ${sql.raw(key)} collate "C" and prosrc || encode(tgargs, 'escape') ilike '%updated_at%'
        and exists (select from pg_trigger where tgrelid = ${table.oid} and tgname = ${sql.raw(key)} and tgenabled in ('O', 'A')) order by 1`,
  );
  const [trigger] = triggers;
  return trigger?.earlier && triggers.length === 1
    ? {
        sql: atOnce(
          onTriggers(table, [`alter trigger ${trigger.name} on ${table.sql} rename to ${trigger.renamed}`]),
        ),
        rest: `, so that it runs before ${own.name}`,
      }
    : `${SEE_OTHERS}; another trigger may set it`;
}

/** Returns whether the row was deleted: a trigger or a rule may keep it, without an error. */
async function remove({ context: { db }, owner, probed }: Probe): Promise<boolean> {
  const own = eq(probed.userId, owner);
  await db.delete(probed).where(own);
  return (await db.select({ userId: probed.userId }).from(probed).where(own)).length === 0;
}

async function cleanUp(one: Probe): Promise<Finding[]> {
  const left = (why: string) =>
    error("probe_left", `The row that verify inserted ${why}.`, {
      sql: `delete from ${one.context.table.sql} where user_id = '${one.owner}'`,
    });
  return attempt(
    async () => ((await remove(one)) ? [] : [left("is still there")]),
    ({ sqlState }) => left(`could not be deleted: SQLSTATE ${sqlState}`),
  );
}
