import { randomUUID } from "node:crypto";
import { expect, it } from "vitest";
import { connect, forUser } from "../../src/index.js";
import { migratedDatabase, newUser, openPostgresJs, rawClient } from "../support/database.js";
import { text } from "../support/messages.js";

const url = await migratedDatabase();
const raw = rawClient(url);

it.each([
  { TimeZone: "Asia/Kathmandu" },
  { TimeZone: "America/St_Johns", DateStyle: "German" },
  { DateStyle: "SQL, DMY" },
  { DateStyle: "Postgres, YMD" },
  { standard_conforming_strings: "off" },
  { extra_float_digits: "-15" },
  { plan_cache_mode: "force_generic_plan" },
  { plan_cache_mode: "force_custom_plan", enable_indexscan: "off", enable_bitmapscan: "off" },
])("works the same with %j", async (connection) => {
  const owner = newUser();
  const sessions = forUser(openPostgresJs(url, { connection }), owner);
  const id = randomUUID();
  const { revision } = await sessions.append(id, text("m1", "back\\slash 'quote'"), {
    create: true,
    after: null,
  });
  const metadata = { third: 0.3333333333333333, big: 1.7976931348623157e308, text: "\\x41" };
  const merged = await sessions.mergeMetadata(id, metadata, { ifRevision: revision });
  await sessions.append(id, text("m2"), { after: "m1", ifRevision: merged.revision });
  expect(await sessions.get(id)).toMatchObject({
    metadata,
    messages: [text("m1", "back\\slash 'quote'"), text("m2")],
  });
  const exact = await raw`select to_jsonb(created_at) #>> '{}' as at from journey_sessions where id = ${id}`;
  expect((await sessions.get(id))?.createdAt.getTime()).toBe(Date.parse(exact[0]?.at));

  const times = Array.from({ length: 7 }, (_, n) => `2026-03-29T02:00:00.00000${n}Z`);
  for (const at of [...times, ...times])
    await raw`insert into journey_sessions (user_id, created_at) values (${owner}, ${at})`;
  const seen: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await sessions.list({ limit: 3, cursor });
    seen.push(...page.sessions.map((session) => session.id));
    cursor = page.nextCursor;
  } while (cursor);
  expect(new Set(seen).size).toBe(15);
  expect(seen).toHaveLength(15);
});

it("connect() sets how dates and strings are written, whatever the database has set", async () => {
  const database = new URL(url).pathname.slice(1);
  await raw.unsafe(`alter database "${database}" set DateStyle = 'SQL, DMY'`);
  await raw.unsafe(`alter database "${database}" set standard_conforming_strings = off`);
  const { db, close } = await connect({ url });
  const [row] = (await db.execute(
    "select current_setting('DateStyle') as dates, current_setting('standard_conforming_strings') as strings",
  )) as unknown as [object];
  await close();
  expect(row).toEqual({ dates: expect.stringMatching(/^ISO/), strings: "on" });
});
