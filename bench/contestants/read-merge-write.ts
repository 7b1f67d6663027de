import postgres from "postgres";
import type { JourneyMessage } from "../../src/index.js";
import type { Contestant, Session } from "./contestant.js";

/** The table as the application made it by hand. */
const SCHEMA = `
  create table journey_sessions (
    id uuid default gen_random_uuid() primary key,
    user_id text not null,
    phase text default 'setup',
    messages jsonb default '[]'::jsonb,
    metadata jsonb default '{}'::jsonb,
    created_at timestamptz default now(),
    updated_at timestamptz default now()
  );
  create index idx_journey_sessions_user_id on journey_sessions (user_id);
  create function update_journey_sessions_updated_at() returns trigger as $$
  begin
    new.updated_at = now();
    return new;
  end;
  $$ language plpgsql;
  create trigger journey_sessions_updated_at before update on journey_sessions
    for each row execute function update_journey_sessions_updated_at()`;

export const readMergeWrite: Contestant = {
  name: "Read, merge, write",
  kind: "statements",
  longest: 5000,
  about:
    "what an application does on the same table without this package: reads the array, pushes, writes it back, for each message; 4 statements a turn",
  async open({ url, connections }) {
    const sql = postgres(url, { max: connections, fetch_types: false, onnotice: () => {} });
    await sql.unsafe(SCHEMA);
    const json = (value: unknown) => sql.json(value as postgres.JSONValue);

    const insert = (id: string, userId: string, messages: JourneyMessage[]) => sql`
      insert into journey_sessions (id, user_id, messages) values (${id}, ${userId}, ${json(messages)})`;
    async function read({ id, userId }: Session): Promise<JourneyMessage[]> {
      const [session] = await sql<{ messages: JourneyMessage[] }[]>`
        select messages from journey_sessions where id = ${id} and user_id = ${userId}`;
      if (!session) throw new Error(`no session ${id}`);
      return session.messages;
    }
    /** Replaces a message whose id is there already. */
    async function append(session: Session, message: JourneyMessage) {
      const messages = await read(session);
      const place = messages.findIndex(({ id }) => id === message.id);
      if (place === -1) messages.push(message);
      else messages[place] = message;
      await sql`
        update journey_sessions set messages = ${json(messages)}
        where id = ${session.id} and user_id = ${session.userId}`;
    }

    const page = async (userId: string, time: "created_at" | "updated_at") => {
      const sessions = await sql`
        select id, phase, metadata, created_at, updated_at from journey_sessions
        where user_id = ${userId} order by ${sql(time)} desc limit 20`;
      return sessions.length;
    };

    return {
      tables: ["journey_sessions"],
      async seed({ id, userId }, messages) {
        await insert(id, userId, messages);
      },
      async first({ id, userId }, message) {
        await insert(id, userId, [message]);
      },
      async turn(session, user, assistant) {
        await append(session, user);
        await append(session, assistant);
      },
      append,
      async grow(session, versions) {
        for (const version of versions) await append(session, version);
      },
      open: async (session) => (await read(session)).length,
      last: async (session) => (await read(session)).slice(-20).length,
      list: (userId) => page(userId, "created_at"),
      updated: (userId) => page(userId, "updated_at"),
      async merge({ id, userId }, patch) {
        const [session] = await sql<{ metadata: Record<string, unknown> }[]>`
          select metadata from journey_sessions where id = ${id} and user_id = ${userId}`;
        if (!session) throw new Error(`no session ${id}`);
        await sql`
          update journey_sessions set metadata = ${json({ ...session.metadata, ...patch })}
          where id = ${id} and user_id = ${userId}`;
      },
      async fork(session, newId) {
        await insert(newId, session.userId, await read(session));
      },
      close: () => sql.end(),
    };
  },
};
