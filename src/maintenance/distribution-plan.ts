import { type SQL, sql } from "drizzle-orm";
import { getTableConfig, type PgTable } from "drizzle-orm/pg-core";
import { repliesOf } from "../durable-replies/tables.js";
import { messagesOf } from "../message-rows/table.js";
import { isCitus } from "../model/citus.js";
import type { Database } from "../model/database.js";
import { JourneyDbError } from "../model/errors.js";
import { type JourneyTable, quotedName, type SessionTable } from "../schema.js";
import { read } from "./read.js";
import { literal, namesOf, qualified, replyNamesOf, replyTableSqlParts } from "./table-sql.js";

export interface DistributionPlan {
  /** Servers of the cluster that may store rows. */
  servers: number;
  /** The statements in their order; empty if there is nothing left to do. */
  statements: string[];
}

/** A table of ours. */
interface Declared {
  table: PgTable;
  /** The foreign key to the table that it belongs to. */
  parent?: { of: Declared; columns: string; referenced: string; alone: string };
  /** The name of its trigger that notifies those who wait. */
  notify?: string;
}

/** What the catalogues say of it. */
interface Stored {
  /** How Citus stores it: "owner" by its user_id, "none" on this server alone. */
  stored: "owner" | "none" | "otherwise";
  key: { name: string; columns: string } | null;
  foreignKeys: { name: string; is: string }[];
  notifies: boolean;
  /** Whether there is the function that its trigger calls. */
  canNotify: boolean;
  hasIndex: boolean;
}

/** Of pg_dist_partition: a table of the coordinator's alone, which a foreign key connects to others. */
const IS_LOCAL = sql`(partmethod = 'n' and repmodel = 's')`;

const nameOf = (table: PgTable): string => {
  const { schema, name } = getTableConfig(table);
  return qualified(schema, name, quotedName);
};

/** The sessions first. */
function declaredTables(given: JourneyTable): Declared[] {
  const table = given as unknown as SessionTable;
  const { replies, chunks } = repliesOf(table);
  const { name } = getTableConfig(table);
  const ofSession = (of: Declared) => ({
    of,
    columns: "user_id, session_id",
    referenced: "user_id, id",
    alone: "foreign key (session_id) references %s (id) on delete cascade",
  });
  const sessions: Declared = { table, notify: `${name}_notify` };
  const ofReplies: Declared = {
    table: replies,
    parent: ofSession(sessions),
    notify: `${getTableConfig(replies).name}_notify`,
  };
  return [
    sessions,
    { table: messagesOf(table), parent: ofSession(sessions) },
    ofReplies,
    {
      table: chunks,
      parent: {
        of: ofReplies,
        columns: "session_id, user_id",
        referenced: "session_id, user_id",
        alone:
          "foreign key (session_id, user_id) references %s (session_id, user_id) on delete cascade on update cascade",
      },
    },
  ];
}

const functionOf = (table: PgTable): string => {
  const { schema, name } = getTableConfig(table);
  return qualified(schema, `notify_${name}`, quotedName);
};

/** The names of a key's columns, in its order. */
const columnsOf = (relation: SQL, key: SQL) =>
  sql`(select string_agg(attname, ', ' order by place) from unnest(${key}) with ordinality as of (attnum, place)
    join pg_attribute a on a.attrelid = ${relation} and a.attnum = of.attnum)`;

async function readStored(db: Database, { table, parent, notify }: Declared): Promise<Stored | undefined> {
  const oid = sql`to_regclass(${nameOf(table)}::text)`;
  const [found] = await read<Stored & { exists: boolean }>(
    db,
    sql`select ${oid} is not null as exists,
      coalesce((select case when partmethod = 'h' and column_to_column_name(logicalrelid, partkey) = 'user_id' then 'owner' else 'otherwise' end
        from pg_dist_partition where logicalrelid = ${oid} and not ${IS_LOCAL}), 'none') as stored,
      (select jsonb_build_object('name', quote_ident(conname), 'columns', ${columnsOf(sql`conrelid`, sql`conkey`)})
        from pg_constraint where conrelid = ${oid} and contype = 'p') as key,
      coalesce((select jsonb_agg(jsonb_build_object('name', quote_ident(conname), 'is',
          ${columnsOf(sql`conrelid`, sql`conkey`)} || ' > ' || ${columnsOf(sql`confrelid`, sql`confkey`)} || ' ' || confdeltype::text || confupdtype::text))
        from pg_constraint where conrelid = ${oid} and contype = 'f' and confrelid = to_regclass(${parent ? nameOf(parent.of.table) : null}::text)), '[]') as "foreignKeys",
      exists (select from pg_trigger where tgrelid = ${oid} and tgname = ${notify ?? null}::text) as notifies,
      to_regproc(${functionOf(table)}::text) is not null as "canNotify",
      exists (select from pg_index where indrelid = ${oid} and indpred is null and indexprs is null and ${columnsOf(sql`indrelid`, sql`string_to_array(indkey::text, ' ')::int2[]`)} = 'id') as "hasIndex"`,
  );
  return found?.exists ? found : undefined;
}

/** What prevents it, each as a clause; empty if nothing does. */
async function obstacles(db: Database, tables: readonly Declared[], undo: boolean): Promise<string[]> {
  const [sessions] = tables as [Declared];
  const own = sql.join(
    tables.map(({ table }) => sql`coalesce(to_regclass(${nameOf(table)}::text), 0)`),
    sql`, `,
  );
  const found = await read<{ what: string }>(
    db,
    sql`select format('foreign key %I of %s references it; drop it first', conname, conrelid::regclass) as what
        from pg_constraint where contype = 'f' and conparentid = 0 and confrelid in (${own}) and conrelid not in (${own})
      union all select format('foreign key %I references %s, which is on one server; drop it, or make that a reference table (select create_reference_table(%L))', conname, confrelid::regclass, confrelid::regclass::text)
        from pg_constraint where contype = 'f' and conparentid = 0 and conrelid in (${own}) and confrelid not in (${own})
          and ${!undo} and not exists (select from pg_dist_partition where logicalrelid = confrelid and partmethod = 'n' and not ${IS_LOCAL})
      union all select format('unique index %s does not contain user_id: no server can know the rows of others; drop it, or create it with user_id', indexrelid::regclass)
        from pg_index i where indrelid in (${own}) and indisunique and not indisprimary and ${!undo}
          and not (select attnum from pg_attribute where attrelid = indrelid and attname = 'user_id') = any (string_to_array(indkey::text, ' ')::int2[])
      union all select format('constraint %I of %s excludes rows, which no server can do for others; drop it', conname, conrelid::regclass)
        from pg_constraint where contype = 'x' and conrelid in (${own}) and ${!undo}
      union all select format('column %I of %s is an identity column, with which it could not be undone; make it a serial one', attname, attrelid::regclass)
        from pg_attribute where attrelid in (${own}) and attidentity <> '' and not attisdropped
      union all select format('table %s inherits from it; end that', inhrelid::regclass)
        from pg_inherits where inhparent in (${own})
      union all select format('trigger %I of %s would run on the server that has the row; drop it', tgname, tgrelid::regclass)
        from pg_trigger where tgrelid in (${own}) and not tgisinternal and ${!undo}
          and tgname not in (${namesOf(sessions.table as never).trigger}, ${sql.join(
            tables.flatMap(({ notify }) => (notify === undefined ? [] : [sql`${notify}`])),
            sql`, `,
          )})
          and not exists (select from pg_dist_partition where logicalrelid = tgrelid and not ${IS_LOCAL})`,
  );
  return found.map(({ what }) => what);
}

const refused = (table: PgTable, why: string) =>
  new JourneyDbError("migration", `${nameOf(table)}: ${why}. Nothing was changed.`);

/**
 * What distributes the tables, or undoes that, as far as it is left to do.
 *
 * @throws JourneyDbError migration with what prevents it
 */
export async function planOf(db: Database, given: JourneyTable, undo: boolean): Promise<DistributionPlan> {
  const all = declaredTables(given);
  const [sessions] = all as [Declared];
  if (!(await isCitus(db)))
    throw refused(
      sessions.table,
      "the database has no extension citus, which distributes tables over servers",
    );
  const states: { one: Declared; is: Stored }[] = [];
  for (const one of all) {
    const is = await readStored(db, one);
    if (is) states.push({ one, is });
  }
  const own = states.find(({ one }) => one === sessions)?.is;
  if (!own) throw refused(sessions.table, "the table is missing; run journey-db migrate first");
  const otherwise = states.find(({ is }) => is.stored === "otherwise");
  if (otherwise)
    throw refused(
      otherwise.one.table,
      "Citus stores the table in another way than by user_id; undo that first (select undistribute_table(…))",
    );
  if (!["id", "user_id, id"].includes(own.key?.columns ?? ""))
    throw refused(sessions.table, "the primary key is not id; run journey-db verify first");
  const [cluster] = await read<{ servers: number }>(
    db,
    sql`select count(*) as servers from pg_dist_node where isactive and shouldhaveshards`,
  );
  const servers = cluster?.servers ?? 0;
  if (servers === 0 && !undo)
    throw refused(
      sessions.table,
      "the cluster has no server that stores rows; add one first (select citus_add_node(…))",
    );
  const why = await obstacles(db, all, undo);
  if (undo && own.stored === "owner") why.push(...(await repeatedIds(db, sessions.table)));
  if (why.length > 0) throw refused(sessions.table, why.join("; "));
  return { servers, statements: undo ? undoing(given, states, own) : distributing(states, own) };
}

/** On one server, an id is unique for all users. */
async function repeatedIds(db: Database, table: PgTable): Promise<string[]> {
  const select = `select id from ${nameOf(table)} group by id having count(*) > 1`;
  const [found] = await read<{ ids: number }>(
    db,
    sql`select count(*) as ids from (${sql.raw(select)}) as repeated`,
  );
  return found && found.ids > 0
    ? [
        `${found.ids} ids are those of sessions of several users (${select}); export and erase all but one of them`,
      ]
    : [];
}

type States = readonly { one: Declared; is: Stored }[];

/** Citus accepts one change of a constraint in a statement. */
const withKey = (table: string, { key }: Stored, columns: string): string[] => [
  `alter table ${table} drop constraint ${key?.name}`,
  `alter table ${table} add constraint ${key?.name} primary key (${columns})`,
];

/** Citus keeps the other storage settings. */
const toastSettings = (table: string) =>
  `alter table ${table} set (toast.autovacuum_vacuum_scale_factor = 0.05)`;

const idIndexOf = ({ table }: Declared) => {
  const { schema, name } = getTableConfig(table);
  return { schema, name: `idx_${name}_id` };
};

/** The name of a table's foreign key, as it is or as it is declared. */
const foreignKeyOf = ({ table }: Declared, { foreignKeys }: Stored): string =>
  foreignKeys[0]?.name ?? quotedName(getTableConfig(table).foreignKeys[0]?.getName() ?? "");

/** The statements that remove foreign keys and triggers, children first. */
const detaching = (states: States, isRight: (one: Declared, is: Stored["foreignKeys"][number]) => boolean) =>
  states
    .toReversed()
    .flatMap(({ one, is }) => [
      ...is.foreignKeys
        .filter((key) => !isRight(one, key))
        .map(({ name }) => `alter table ${nameOf(one.table)} drop constraint ${name}`),
      ...(is.notifies ? [`drop trigger ${quotedName(one.notify ?? "")} on ${nameOf(one.table)}`] : []),
    ]);

function distributing(states: States, own: Stored): string[] {
  const [{ one: sessions }] = states as [States[number]];
  const table = nameOf(sessions.table);
  const isRight = ({ parent }: Declared, { is }: Stored["foreignKeys"][number]) =>
    is === `${parent?.columns} > ${parent?.referenced} ca`;
  const local = states.filter(({ is }) => is.stored === "none");
  const statements = detaching(states, isRight);
  if (own.key?.columns === "id") statements.push(...withKey(table, own, "user_id, id"));
  if (!own.hasIndex || own.key?.columns === "id")
    statements.push(`create index if not exists ${quotedName(idIndexOf(sessions).name)} on ${table} (id)`);
  for (const { one } of local) {
    const beside = one === sessions ? "" : `, colocate_with => ${literal(table)}`;
    statements.push(`select create_distributed_table(${literal(nameOf(one.table))}, 'user_id'${beside})`);
  }
  if (own.stored === "none") statements.push(toastSettings(table));
  for (const { one, is } of states)
    if (one.parent && !is.foreignKeys.some((key) => isRight(one, key))) {
      const { of, columns, referenced } = one.parent;
      const key = `foreign key (${columns}) references ${nameOf(of.table)} (${referenced}) on delete cascade`;
      statements.push(`alter table ${nameOf(one.table)} add constraint ${foreignKeyOf(one, is)} ${key}`);
    }
  // Distributing copies the rows. What this server still has of them is out of reach.
  const emptied = local.some(({ one }) => one === sessions) ? local.slice(0, 1) : local;
  for (const { one } of emptied)
    statements.push(`select truncate_local_data_after_distributing_table(${literal(nameOf(one.table))})`);
  return statements;
}

function undoing(given: JourneyTable, states: States, own: Stored): string[] {
  const [{ one: sessions }] = states as [States[number]];
  const table = nameOf(sessions.table);
  const isAlone = own.key?.columns === "id";
  const statements = isAlone ? [] : detaching(states, () => false);
  for (const { one, is } of states.toReversed())
    if (is.stored === "owner") statements.push(`select undistribute_table(${literal(nameOf(one.table))})`);
  if (own.stored === "owner") statements.push(toastSettings(table));
  if (isAlone) return statements;
  const index = idIndexOf(sessions);
  statements.push(
    `drop index if exists ${qualified(index.schema, index.name, quotedName)}`,
    ...withKey(table, own, "id"),
  );
  for (const { one, is } of states)
    if (one.parent) {
      const key = one.parent.alone.replace("%s", () => nameOf(one.parent?.of.table as PgTable));
      statements.push(`alter table ${nameOf(one.table)} add constraint ${foreignKeyOf(one, is)} ${key}`);
    }
  const triggers = replyTableSqlParts(replyNamesOf(given));
  for (const { one, is } of states)
    if (one.notify && is.canNotify) {
      const { createTrigger } = one === sessions ? triggers.sessions : triggers.replies;
      statements.push(createTrigger.replace(/;$/, ""));
    }
  return statements;
}
