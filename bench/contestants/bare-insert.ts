import postgres from "postgres";
import type { JourneyMessage } from "../../src/index.js";
import type { Contestant, Session } from "./contestant.js";

/** OID of `json`: a parameter declared as text would be cast by the server. */
const JSON_OID = 114;

/** The keys of the table of message rows, with nothing beside it. */
const SCHEMA = `
  create table messages (
    user_id text not null,
    session_id uuid not null,
    id text not null,
    appended_at timestamptz not null,
    n integer not null,
    message json not null,
    primary key (session_id, id, user_id)
  );
  create index on messages (user_id, session_id, appended_at, n);
  alter table messages alter column message set storage external`;

/** What no layout with a row per message goes below. Left out: what needs a table of sessions. */
export const bareInsert: Contestant = {
  name: "floor, message rows, postgres.js",
  kind: "floor",
  about:
    "insert … on conflict do update into a table with the keys of message rows, prepared, through bare postgres.js: no session, no owner, no revision, no checks; 2 statements a turn",
  async open({ url, connections }) {
    const sql = postgres(url, { max: connections, fetch_types: false, onnotice: () => {} });
    await sql.unsafe(SCHEMA);
    const json = (value: unknown) => sql.typed(value, JSON_OID) as postgres.Parameter;

    async function append({ id, userId }: Session, message: JourneyMessage) {
      await sql`
        insert into messages (user_id, session_id, id, appended_at, n, message)
        values (${userId}, ${id}, ${message.id}, now(), 0, ${json(message)})
        on conflict (session_id, id, user_id) do update set message = excluded.message`;
    }
    return {
      tables: ["messages"],
      async seed({ id, userId }, messages) {
        await sql`
          insert into messages (user_id, session_id, id, appended_at, n, message)
          select ${userId}, ${id}, message ->> 'id', now(), nr, message
          from json_array_elements(${json(messages)}) with ordinality as m (message, nr)`;
      },
      first: append,
      async turn(session, user, assistant) {
        await append(session, user);
        await append(session, assistant);
      },
      append,
      async grow(session, versions) {
        for (const version of versions) await append(session, version);
      },
      async open({ id, userId }) {
        const messages = await sql`
          select message from messages where user_id = ${userId} and session_id = ${id}
          order by appended_at, n`;
        return messages.length;
      },
      async last({ id, userId }) {
        const messages = await sql`
          select message from messages where user_id = ${userId} and session_id = ${id}
          order by appended_at desc, n desc limit 20`;
        return messages.reverse().length;
      },
      close: () => sql.end(),
    };
  },
};
