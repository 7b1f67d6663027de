import { randomUUID } from "node:crypto";
import { sql } from "drizzle-orm";
import { expect, it } from "vitest";
import { forUser } from "../../src/index.js";
import { migratedDatabase, newUser, openPostgresJs } from "../support/database.js";
import { CASES, conversation } from "../support/verbs.js";

// A PL/pgSQL trigger copies the row with its whole conversation. The statements set updated_at
// themselves, and the trigger has work only where that is not enough.

const db = openPostgresJs(await migratedDatabase(), { max: 1 });
await db.execute(sql`set track_functions = 'all'`);

/** How often the trigger's function ran meanwhile. */
async function runsDuring(call: () => Promise<unknown>): Promise<number> {
  const runs = async () => {
    await db.execute(sql`select pg_stat_force_next_flush()`);
    const [row] = await db
      .select({ calls: sql<number>`coalesce(sum(calls), 0)::int` })
      .from(sql`pg_stat_user_functions`)
      .where(sql`funcname = 'update_journey_sessions_updated_at'`);
    return row?.calls ?? 0;
  };
  const before = await runs();
  await call();
  return (await runs()) - before;
}

const owner = newUser();
const sessions = forUser(db, owner);

it.each(CASES.filter(({ writes }) => writes))(
  "$name: no write of a session runs the trigger's function",
  async ({ call }) => {
    const given = await conversation(sessions);
    expect(await runsDuring(() => call(sessions, given))).toBe(0);
  },
);

it("a second write in a transaction does, since now() stands still", async () => {
  const { id } = await sessions.create();
  const twice = () =>
    db.transaction(async (tx) => {
      const own = forUser(tx, owner);
      await own.setPhase(id, "review");
      await own.setPhase(id, "setup");
    });
  expect(await runsDuring(twice)).toBe(1);
});

it.each([
  ["leaves updated_at alone", "phase = 'review'"],
  ["sets it back", "updated_at = '2000-01-01'"],
  ["sets it to what it is", "updated_at = updated_at"],
  ["sets it ahead", "updated_at = '2100-01-01'"],
  ["sets it to no end", "updated_at = 'infinity'"],
  ["sets it to nothing", "updated_at = null"],
])("an update that %s gets the time all the same", async (_, change) => {
  const id = randomUUID();
  const { revision } = await sessions.create({ id });
  await db.execute(sql.raw(`update journey_sessions set ${change} where id = '${id}'`));
  const [row] = await db
    .select({
      now: sql<boolean>`updated_at between now() - interval '1 minute' and now() + interval '1 second'`,
    })
    .from(sql`journey_sessions`)
    .where(sql`id = ${id}`);
  expect(row?.now).toBe(true);
  const now = (await sessions.get(id))?.revision ?? "";
  expect(now > revision).toBe(true);
});
