import type { Sql } from "postgres";
import type { Contestant } from "./contestants/contestant.js";
import { quoted } from "./entrant.js";
import type { Growth, Sizes } from "./results.js";
import type { BenchServer } from "./server.js";
import type { Texts } from "./texts.js";
import { newSession } from "./workloads.js";

const APPENDS = { full: 1000, quick: 100 };

/** The growth of the tables by appends to one session, from its first message on. */
export async function growth(
  contestant: Contestant,
  server: BenchServer,
  texts: Texts,
  quick: boolean,
): Promise<Growth> {
  const { name, url } = await server.createDatabase();
  const store = await contestant.open({ url, connections: 1 });
  const session = newSession();
  const [first, ...others] = texts.conversation(APPENDS[quick ? "quick" : "full"], "prose");
  if (first) await store.first?.(session, first);
  for (const message of others) await store.append?.(session, message);
  await store.close();
  // A backend reports all of its statistics when it ends.
  await server.untilAlone(name);
  const result = await server.on(url, async (sql) => {
    const [updates] = await sql<{ all: number; hot: number }[]>`
      select sum(n_tup_upd)::float8 as all, sum(n_tup_hot_upd)::float8 as hot from pg_stat_user_tables
      where relid = any (${store.tables.map(quoted)}::text[]::regclass[])`;
    const before = await sizesOf(sql, store.tables);
    for (const table of store.tables) await sql.unsafe(`vacuum ${quoted(table)}`);
    return {
      contestant: contestant.name,
      appends: others.length + 1,
      hotShare: updates && updates.all > 0 ? updates.hot / updates.all : null,
      before,
      afterVacuum: await sizesOf(sql, store.tables),
    };
  });
  await server.dropDatabase(name);
  return result;
}

async function sizesOf(sql: Sql, tables: readonly string[]): Promise<Sizes> {
  const [sizes] = await sql<Sizes[]>`
    select sum(pg_table_size(c.oid) - coalesce(pg_total_relation_size(nullif(c.reltoastrelid, 0)), 0))::float8 as table,
      sum(coalesce(pg_total_relation_size(nullif(c.reltoastrelid, 0)), 0))::float8 as toast,
      sum(pg_indexes_size(c.oid))::float8 as indexes
    from pg_class c where c.oid = any (${tables.map(quoted)}::text[]::regclass[])`;
  if (!sizes) throw new Error("the tables have no size");
  return { ...sizes };
}
