import { randomUUID } from "node:crypto";
import { sql } from "drizzle-orm";
import { beforeAll, describe, expect, it } from "vitest";
import { defineJourney } from "../../src/index.js";
import { migrate } from "../../src/maintenance/migrate.js";
import { messagesTable } from "../../src/message-rows.js";
import { journeySessions } from "../../src/schema.js";
import { startServer } from "../support/child-server.js";
import { atEnd, openPostgresJs, rawClient } from "../support/database.js";
import { explainer } from "../support/explain.js";
import { idsOf, text } from "../support/messages.js";
import { scansOf, sorts } from "../support/plans.js";
import { allStatements as every } from "../support/statements.js";

// What a call reads and writes must not depend on the length of the conversation. A server of its own, whose log and
// counts are of nothing else.
const server = await startServer("autovacuum=off", "full_page_writes=off");
atEnd(server.stop);
const client = rawClient(server.url, { max: 1 });
const db = openPostgresJs(server.url, { max: 1 });
const user = "user_costs";
const sessions = defineJourney({ messages: messagesTable(journeySessions) }).forUser(db, user);

const [SHORT, LONG] = [10, 20_000];
const ids = { [SHORT]: randomUUID(), [LONG]: randomUUID() } as Record<number, string>;

/** A session with messages of 2 kB each. */
async function fill(id: string, owner: string, messages: number): Promise<void> {
  await client`
    insert into journey_sessions (id, user_id, messages, created_at, updated_at)
    values (${id}, ${owner}, jsonb_build_object('rows', ${messages}::int, 'last', ${`m${messages}`}::text), now() - interval '1 day', now() - interval '1 day')`;
  await client`
    insert into journey_messages
    select ${owner}, ${id}, 'm' || n, now() - interval '2 days', n,
      json_build_object('id', 'm' || n, 'role', 'user', 'parts', json_build_array(json_build_object('type', 'text', 'text', repeat(md5(n::text), 58))))
    from generate_series(1, ${messages}::int) n`;
}

beforeAll(async () => {
  await migrate(db, { with: ["message-rows"] });
  for (const length of [SHORT, LONG]) await fill(ids[length] as string, user, length);
  // So many that no plan is made for the long one alone.
  for (let n = 0; n < 50; n++) await fill(randomUUID(), `user_${n}`, 20);
  for (let n = 0; n < 20; n++) await fill(randomUUID(), `user_long_${n}`, 2_000);
}, 120_000);

/** Pages of both tables and their indexes that a call reads. */
async function pagesDuring(call: () => Promise<unknown>): Promise<number> {
  const pages = async () => {
    await db.execute(sql`select pg_stat_force_next_flush()`);
    const [row] = await db
      .select({
        pages: sql<number>`sum(heap_blks_hit + heap_blks_read + idx_blks_hit + idx_blks_read + coalesce(toast_blks_hit + toast_blks_read + tidx_blks_hit + tidx_blks_read, 0))::float8`,
      })
      .from(sql`pg_statio_user_tables`);
    return row?.pages ?? 0;
  };
  const before = await pages();
  await call();
  return (await pages()) - before;
}

const message = (id: string) => text(id, "x".repeat(1_950));
let calls = 0;
const unique = () => `new${calls++}`;

const CALLS: [string, (id: string, length: number) => Promise<unknown>][] = [
  ["append", (id) => sessions.append(id, message(unique()))],
  ["append with create", (id) => sessions.append(id, message(unique()), { create: true })],
  ["append of several", (id) => sessions.append(id, [message(unique()), message(unique())])],
  ["a growing message", (id, length) => sessions.append(id, message(`m${length}`))],
  [
    "append after",
    async (id) =>
      sessions.append(id, message(unique()), {
        after: (await sessions.messages(id, { limit: 1 })).messages[0]?.id ?? null,
      }),
  ],
  [
    "append from",
    async (id) => {
      const { messages } = await sessions.messages(id, { limit: 2 });
      await sessions.append(id, message(unique()), { from: messages[0]?.id });
    },
  ],
  [
    "truncate",
    async (id) => {
      const { messages } = await sessions.messages(id, { limit: 1 });
      await sessions.truncate(id, { from: messages[0]?.id ?? "" });
    },
  ],
  ["messages", (id) => sessions.messages(id, { limit: 5 })],
  ["messages before", (id, length) => sessions.messages(id, { limit: 5, before: `m${length / 2}` })],
];

describe.each(["before the first ANALYZE", "after it"])("%s", (when) => {
  beforeAll(async () => {
    if (when === "after it") await client`analyze journey_sessions, journey_messages`;
  });

  it.each(CALLS)("%s reads as many pages after 20,000 messages as after 10", async (_, call) => {
    const least = async (length: number) => {
      const id = ids[length] as string;
      await call(id, length);
      return pagesDuring(() => call(id, length));
    };
    const short = await least(SHORT);
    expect(short).toBeGreaterThan(0);
    // A tree of 20,000 entries is one or two pages higher, for each of the few searches.
    expect(await least(LONG)).toBeLessThan(short + 40);
  });
});

describe("what an append of 2 kB writes to the log", () => {
  it.each([SHORT, LONG])("after %i messages is at most 4 kB", async (length) => {
    const id = ids[length] as string;
    const written = async (call: () => Promise<unknown>) => {
      const [before] = await client<{ lsn: string }[]>`select pg_current_wal_insert_lsn()::text as lsn`;
      for (let n = 0; n < 20; n++) await call();
      const [after] = await client<{ bytes: number }[]>`
        select (pg_current_wal_insert_lsn() - ${before?.lsn ?? ""}::pg_lsn)::float8 / 20 as bytes`;
      return after?.bytes ?? Number.NaN;
    };
    for (const call of [
      () => sessions.append(id, message(unique())),
      () => sessions.append(id, message("growing")),
    ])
      expect(await written(call)).toBeLessThan(4_096);
  });
});

describe("plans", () => {
  const values = {
    ...{ userId: user, id: ids[LONG] as string, limit: 20, before: null, time: "2026-01-01T00:00:00" },
    ...{ maxBytes: 1_048_576, text: "nobody wrote this" },
  };
  const explain = async () => {
    await client`deallocate all`;
    const statements = await every();
    return explainer(client, new Map([...statements].filter(([name]) => /_rows$|^list_updated/.test(name))));
  };

  it("a page of messages reads the order's index and no more rows than the page", async () => {
    const plan = await (await explain())("messages_rows", values, {
      planning: "force_generic_plan",
      run: true,
    });
    const scans = scansOf(plan, "journey_messages").filter(({ rowsRead }) => rowsRead > 0);
    expect(scans).toMatchObject([{ indexes: ["idx_journey_messages_order"], backward: true, rowsRead: 21 }]);
    expect(sorts(plan)).toBe(false);
  });

  it.each(["force_custom_plan", "force_generic_plan"] as const)(
    "opening reads the messages in their order, without a sort: %s",
    async (planning) => {
      const plan = await (await explain())("get_rows", values, { planning });
      expect(sorts(plan)).toBe(false);
      expect(scansOf(plan, "journey_messages")).toMatchObject([{ indexes: ["idx_journey_messages_order"] }]);
      await client`deallocate all`;
    },
  );

  it("a page by update walks an index, and sorts nothing", async () => {
    await client`
      insert into journey_sessions (user_id, updated_at) select ${user}, now() - n * interval '1 second' from generate_series(1, 5000) n`;
    await client`analyze journey_sessions`;
    const run = await explain();
    for (const name of ["list_updated", "list_updated_after"]) {
      const plan = await run(name, values, { planning: "force_generic_plan", run: true });
      expect(sorts(plan), name).toBe(false);
      expect(scansOf(plan, "journey_sessions")[0], name).toMatchObject({
        indexes: ["idx_journey_sessions_user_id_updated_at_id"],
        backward: true,
      });
    }
  });

  it("a deleted session's messages are found by an index", async () => {
    const [id] = await client`select session_id as id from journey_messages where user_id = 'user_7' limit 1`;
    await client`set enable_seqscan = on`;
    const pages = await pagesDuring(() => client`delete from journey_sessions where id = ${id?.id}`);
    const [{ all } = { all: 0 }] = await client<{ all: number }[]>`
      select (pg_relation_size('journey_messages') / 8192)::int as all`;
    expect(pages).toBeLessThan(all / 2);
  });
});

it("messages stay in their order where the server would rather work in parallel", async () => {
  const eager = rawClient(server.url, {
    max: 1,
    connection: {
      parallel_setup_cost: 0,
      parallel_tuple_cost: 0,
      min_parallel_table_scan_size: 0,
      min_parallel_index_scan_size: 0,
    } as never,
  });
  await eager`set debug_parallel_query = on`;
  const { drizzle } = await import("drizzle-orm/postgres-js");
  const own = defineJourney({ messages: messagesTable(journeySessions) }).forUser(
    drizzle({ client: eager }),
    user,
  );
  const { messages } = (await own.get(ids[LONG] as string)) ?? expect.fail();
  const stored = await client<{ id: string }[]>`
    select id from journey_messages where session_id = ${ids[LONG] as string} order by appended_at, n`;
  expect(idsOf(messages)).toEqual(stored.map(({ id }) => id));
});
