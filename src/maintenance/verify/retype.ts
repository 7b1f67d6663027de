import { sql } from "drizzle-orm";
import type { Database } from "../../model/database.js";
import { readDependents } from "./dependents.js";
import { atOnce } from "./finding.js";
import { TABLE } from "./structure.js";

/** A column of the table that has another type than it should. */
export interface Retyped {
  /** As one writes it. */
  name: string;
  to: string;
  /** The action of ALTER COLUMN that takes its default away; null where it has none. */
  dropDefault: string | null;
  /** The default that it should have. */
  setDefault: string | null;
  /** The collation that it should have, where another is what is wrong with it. */
  collation?: string;
}

/** How to change the type, or why no statement can do it yet. */
export type Retyping =
  | { sql: string; dropped: string[]; utc: boolean; how: string }
  | { usedBy: string[] }
  | { unfit: number; shown: string }
  | { merged: number; shown: string }
  | { noTime: number }
  | { noCast: true };

/** What is known of the two types. The letters are those of pg_type.typcategory. */
interface Types {
  /** The column's type as the server writes it; of a domain, what it is made of. */
  base: string;
  /** Whether that is the right type. */
  same: boolean;
  category: string;
  targetCategory: string;
  hasCast: boolean;
  /** Whether the server tells which texts a type accepts: PostgreSQL 16. */
  tells: boolean;
}

/** Changes nothing. */
export async function retyping(db: Database, column: Retyped): Promise<Retyping> {
  const { name, to, dropDefault, setDefault, collation } = column;
  const types = await readTypes(db, column);
  const convert = conversion(to, types);
  if (!convert) return { noCast: true };
  const unfit = await findUnfit(db, column, types);
  if (unfit) return unfit;
  const lost = await findLost(db, column, types, convert);
  if (lost) return lost;
  const { category, targetCategory, same } = types;
  const alike = same || (category === targetCategory && ["S", "D"].includes(category));
  const text = /^(text|character varying)$/.test(types.base) && to === "text";
  const dependents = await readDependents(db, { name, alike, text, to, convert });
  const usedBy = dependents.filter(({ drop }) => drop === null).map(({ what }) => what);
  if (usedBy.length > 0) return { usedBy };

  const alter = (...actions: string[]) =>
    `alter table journey_sessions ${actions.map((action) => `alter column ${name} ${action}`).join(", ")}`;
  const typed = [`type ${to}${collation ? ` collate ${collation}` : ""} using ${convert(name)}`];
  if (setDefault !== null) typed.push(`set default ${setDefault}`);
  // An identity or an expression cannot go in the statement that changes the type.
  const statements =
    dropDefault === null
      ? [alter(...typed)]
      : dropDefault === "drop default"
        ? [alter(dropDefault, ...typed)]
        : [alter(dropDefault), alter(...typed)];
  // Text without a zone would be read in the session's.
  if (category === "S" && to === TIME) statements.unshift("set local timezone = 'UTC'");
  return {
    sql: atOnce([
      ...dependents.map(({ drop }) => drop as string),
      ...statements,
      ...dependents.toReversed().flatMap(({ restore }) => restore),
    ]),
    dropped: dependents.filter(({ restore }) => restore.length === 0).map(({ what }) => what),
    utc: to === TIME && "DS".includes(category),
    how: assumed(to, types),
  };
}

const TIME = "timestamp with time zone";
const NUMBER = /^(smallint|integer|bigint|numeric|real|double precision)$/;

/** What the statement takes for granted. */
function assumed(to: string, { base, category, same }: Types): string {
  if (to === TIME && category === "N")
    return "; the remedy takes a number below 100000000000 for seconds since 1970, any other for milliseconds";
  if (to === "jsonb" && !same && (base === "json" || category === "S"))
    return "; where an object has a key twice, jsonb keeps the last of its values only";
  return "";
}

/** What no statement should do: times that cannot be, two ids that become one. */
async function findLost(
  db: Database,
  { name, to }: Retyped,
  { category }: Types,
  convert: (value: string) => string,
): Promise<{ noTime: number } | { merged: number; shown: string } | undefined> {
  const count = async (rows: string) => {
    const [found] = await db
      .select({ rows: sql<number>`count(*)::float8` })
      .from(sql`(${sql.raw(rows)}) as counted`);
    return found?.rows ?? 0;
  };
  if (to === TIME && category === "N") {
    // NaN is more than any number.
    const noTime = await count(
      `select from journey_sessions where not ${seconds(name)} between 0 and extract(epoch from now() + interval '100 years')`,
    );
    return noTime > 0 ? { noTime } : undefined;
  }
  if (to !== "uuid" || category !== "S") return undefined;
  const shown = `select * from journey_sessions where ${convert(name)} in (select ${convert(name)} from journey_sessions group by 1 having count(distinct ${name}) > 1)`;
  const merged = await count(shown);
  return merged > 0 ? { merged, shown } : undefined;
}

/** Seconds since 1970, or milliseconds, which are more from 1973 on than seconds will be until 5138. */
const seconds = (value: string) => `${value} / case when abs(${value}) >= 1e11 then 1000.0 else 1.0 end`;

async function readTypes(db: Database, { name, to }: Retyped): Promise<Types> {
  const [types] = await db
    .select({
      base: sql<string>`format_type(t.oid, null)`,
      same: sql<boolean>`t.oid = g.oid`,
      category: sql<string>`t.typcategory::text`,
      targetCategory: sql<string>`g.typcategory::text`,
      hasCast: sql<boolean>`t.oid = g.oid or t.typcategory = 'S' or g.typcategory = 'S' or exists (
        select from pg_cast where castsource = t.oid and casttarget = g.oid)`,
      tells: sql<boolean>`current_setting('server_version_num')::int >= 160000`,
    })
    .from(sql`(
      with recursive made_of as (
        select atttypid as oid from pg_attribute where attrelid = ${TABLE} and quote_ident(attname) = ${name}::text
        union
        select typbasetype from made_of join pg_type on pg_type.oid = made_of.oid where typtype = 'd'
      ) select oid from made_of
    ) as o join pg_type t on t.oid = o.oid join pg_type g on g.oid = ${to}::text::regtype`)
    .where(sql`t.typtype <> 'd'`);
  return types as Types;
}

/** A value of the column as one of the right type; undefined where that takes more than an expression. */
function conversion(to: string, { base, category, hasCast }: Types): ((value: string) => string) | undefined {
  // A plain cast would follow the session's TimeZone.
  if (to === TIME && /^(date|timestamp without time zone)$/.test(base))
    return (value) => `${value}::timestamp at time zone 'UTC'`;
  if (to === TIME && category === "N")
    return NUMBER.test(base) ? (value) => `to_timestamp(${seconds(value)})` : undefined;
  if (to === "uuid" && /^(smallint|integer|bigint)$/.test(base))
    return (value) => `lpad(to_hex(${value}::bigint), 32, '0')::uuid`;
  if (hasCast && category !== "A") return (value) => `${value}::${to}`;
  return to === "jsonb" ? (value) => `to_jsonb(${value})` : undefined;
}

/** For servers that do not tell. It is gone with the session, and here with the transaction. */
const CAN_CAST =
  "create or replace function pg_temp.journey_db_can_cast(value text, type text) returns boolean language plpgsql as " +
  "$can_cast$ begin execute 'select $1::' || type using value; return true; exception when others then return false; end $can_cast$";

/** Text may hold what its new type refuses, and json what jsonb cannot hold. */
async function findUnfit(
  db: Database,
  { name, to }: Retyped,
  { base, category, targetCategory, tells }: Types,
): Promise<{ unfit: number; shown: string } | undefined> {
  if ((category !== "S" && base !== "json") || targetCategory === "S") return undefined;
  const accepts = tells ? "pg_input_is_valid" : "pg_temp.journey_db_can_cast";
  const unfit = `not ${accepts}(${name}::text, '${to}')`;
  if (!tells) await db.execute(sql.raw(CAN_CAST));
  const [found] = await db
    .select({ rows: sql<number>`count(*)::float8` })
    .from(sql.raw("journey_sessions"))
    .where(sql.raw(unfit));
  if (!found?.rows) return undefined;
  const shown = `select * from journey_sessions where ${unfit}`;
  return { unfit: found.rows, shown: tells ? shown : `${CAN_CAST}; ${shown}` };
}
