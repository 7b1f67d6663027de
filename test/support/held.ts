import type { Sql } from "postgres";
import { expect, onTestFinished } from "vitest";

/** A key that nothing else in the database uses. */
const KEY = 7_035;

/** Statements to stop at a row, in place of slow ones: they wait for an advisory lock. */
export interface Hold {
  /** Until so many statements wait. */
  reached(statements?: number): Promise<void>;
  /** Ends the connections of the statements that wait, as a server does that is shut down. */
  cut(): Promise<void>;
  /** Lets them go on, and all that follow. */
  release(): Promise<void>;
}

/** Holds every statement that comes to what `holdReads` or `holdDeletes` named, until it is released. */
export async function hold(sql: Sql): Promise<Hold> {
  const holder = await sql.reserve();
  await holder`select pg_advisory_lock(${KEY})`;
  const waiting = () => sql<{ pid: number }[]>`
    select pid from pg_stat_activity where datname = current_database() and wait_event = 'advisory'`;
  let released = false;
  const release = async () => {
    if (released) return;
    released = true;
    await holder`select pg_advisory_unlock(${KEY})`;
    holder.release();
  };
  // A test that fails must not hold up the next.
  onTestFinished(release);
  return {
    reached: (statements = 1) =>
      expect.poll(waiting, { interval: 5, timeout: 25_000 }).toHaveLength(statements),
    async cut() {
      for (const { pid } of await waiting()) await sql`select pg_terminate_backend(${pid})`;
    },
    release,
  };
}

/** From the next connection on, reading the conversation of a session in the phase `held` waits. */
export async function holdReads(sql: Sql): Promise<void> {
  const [{ name } = { name: "" }] = await sql<{ name: string }[]>`select current_database() as name`;
  await sql.unsafe(`
    create schema held;
    -- Were it volatile, it would be called for rows that are only sorted, too.
    create function held.wait(jsonb) returns jsonb stable language plpgsql as
      'begin perform pg_advisory_xact_lock_shared(${KEY}); return $1; end';
    create view held.journey_sessions as
      select id, user_id, phase, case phase when 'held' then held.wait(messages) else messages end as messages,
        metadata, created_at, updated_at from public.journey_sessions;
    alter database ${name} set search_path = held, public`);
}

/** Every delete of a session waits. */
export const holdDeletes = (sql: Sql) =>
  sql.unsafe(`
    create function held() returns trigger language plpgsql as
      'begin perform pg_advisory_xact_lock_shared(${KEY}); return old; end';
    create trigger held before delete on journey_sessions for each row execute function held()`);
