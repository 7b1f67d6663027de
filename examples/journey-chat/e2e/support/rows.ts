import { randomUUID } from "node:crypto";
import type postgres from "postgres";
import type { JourneyMessage } from "../../../../src/index.js";

export interface Row {
  id: string;
  user_id: string;
  phase: string;
  messages: JourneyMessage[];
  metadata: { title?: string };
  pinned: boolean;
  archived: boolean;
  /** As text: a JavaScript Date has no microseconds. */
  updated_at: string;
}

/** The layout of the run, of the application's environment. */
const hasRows = process.env.MESSAGE_LAYOUT === "rows";

/** All sessions, the newest created first. */
export const rowsOf = (sql: postgres.Sql): Promise<Row[]> => {
  const messages = hasRows
    ? sql`case when jsonb_typeof(messages) = 'array' then messages else
        (select coalesce(jsonb_agg(message order by appended_at, n), '[]') from journey_messages where session_id = sessions.id) end`
    : sql`messages`;
  return sql<Row[]>`
    select id, user_id, phase, ${messages} as messages, metadata, pinned, archived, updated_at::text
    from journey_sessions as sessions order by created_at desc, id desc`;
};

/** A message of text parts. */
export const said = (role: "user" | "assistant", id: string, ...texts: string[]): JourneyMessage => ({
  id,
  role,
  parts: texts.map((text) => ({ type: "text", text })),
});

/** Questions and answers in turn, m1 to m<count>. */
export const conversation = (count: number): JourneyMessage[] =>
  Array.from({ length: count }, (_, n) =>
    n % 2 === 0
      ? said("user", `m${n + 1}`, `Question ${n + 1}`)
      : said("assistant", `m${n + 1}`, `Answer ${n + 1}.\n\nIts second paragraph.`),
  );

export interface Stored {
  as?: "ada" | "grace";
  title?: string;
  phase?: "setup" | "review";
  messages?: JourneyMessage[];
  pinned?: boolean;
  archived?: boolean;
  /** @default now */
  createdAt?: Date;
  /** Where the messages are. @default as the application keeps them */
  layout?: "column" | "rows";
}

/** Stores a session as an earlier visit would have left it, and answers its id. */
export async function store(sql: postgres.Sql, session: Stored = {}): Promise<string> {
  const { as = "ada", title = "Earlier", phase = "setup", messages = conversation(2) } = session;
  const { pinned = false, archived = false } = session;
  const { layout = hasRows ? "rows" : "column" } = session;
  const id = randomUUID();
  // A Date has milliseconds, in which several may be stored.
  const time = session.createdAt?.toISOString() ?? null;
  const text = JSON.stringify(messages);
  const kept =
    layout === "rows" ? JSON.stringify({ rows: messages.length, last: messages.at(-1)?.id ?? null }) : text;
  await sql`
    insert into journey_sessions (id, user_id, phase, messages, metadata, pinned, archived, created_at)
    values (${id}, ${`user_${as}`}, ${phase}, ${kept}::text::jsonb,
            ${JSON.stringify({ title })}::text::jsonb, ${pinned}, ${archived}, coalesce(${time}::timestamptz, clock_timestamp()))`;
  if (layout === "rows")
    await sql`
      insert into journey_messages (user_id, session_id, id, appended_at, n, message)
      select user_id, sessions.id, message ->> 'id', updated_at, n, message
      from journey_sessions as sessions, json_array_elements(${text}::text::json) with ordinality as e (message, n)
      where sessions.id = ${id}`;
  return id;
}

/** The text parts of a message, one after another. */
export const textOf = ({ parts }: JourneyMessage): string =>
  parts.flatMap((part) => (part.type === "text" ? [part.text] : [])).join("\n\n");

/** Text as words: how a page breaks lines does not count. */
export const words = (text: string): string => text.split(/\s+/).filter(Boolean).join(" ");

/** What a page is to show of a message, as words: the numbers of a list are no text there. */
export const wordsOf = (message: JourneyMessage): string => words(textOf(message).replace(/^\d+\. /gm, ""));

/** The roles and ids of messages, to be compared with those of a page. */
export const outline = (messages: readonly JourneyMessage[]) =>
  messages.map(({ role, id }) => ({ by: role === "user" ? "You" : "Assistant", id }));
