import { randomBytes } from "node:crypto";
import postgres from "postgres";
import type { JourneyMessage } from "../../src/index.js";
import type { Contestant } from "./contestant.js";

/**
 * The design has a pair of columns for the input and the output of each tool, and some for each type
 * of data; here one pair serves all tools, and one column all data. Its checks are left out.
 */
const SCHEMA = `
  create table chats (id varchar primary key);
  create table messages (
    id varchar primary key,
    chat_id varchar not null references chats on delete cascade,
    created_at timestamp not null default now(),
    role varchar not null
  );
  create index on messages (chat_id);
  create index on messages (chat_id, created_at);
  create table parts (
    id varchar primary key,
    message_id varchar not null references messages on delete cascade,
    type varchar not null,
    created_at timestamp not null default now(),
    "order" integer not null default 0,
    text_text text,
    reasoning_text text,
    file_media_type varchar,
    file_filename varchar,
    file_url varchar,
    source_url_source_id varchar,
    source_url_url varchar,
    source_url_title varchar,
    source_document_source_id varchar,
    source_document_media_type varchar,
    source_document_title varchar,
    source_document_filename varchar,
    tool_call_id varchar,
    tool_state varchar,
    tool_error_text varchar,
    tool_input jsonb,
    tool_output jsonb,
    data_id varchar,
    data_content jsonb,
    provider_metadata jsonb
  );
  create index on parts (message_id);
  create index on parts (message_id, "order")`;

type Part = JourneyMessage["parts"][number];

/** As long as the design's ids. */
const newPartId = () => randomBytes(12).toString("base64url");

/** The columns that a part of this type fills. */
function contentOf(part: Part): Record<string, unknown> {
  const { type } = part;
  if (type === "text") return { text_text: part.text };
  if (type === "reasoning") {
    return { reasoning_text: part.text, provider_metadata: part.providerMetadata ?? null };
  }
  if (type === "file") {
    return { file_media_type: part.mediaType, file_filename: part.filename ?? null, file_url: part.url };
  }
  if (type === "source-url") {
    return {
      source_url_source_id: part.sourceId,
      source_url_url: part.url,
      source_url_title: part.title ?? null,
    };
  }
  if (type === "source-document") {
    return {
      source_document_source_id: part.sourceId,
      source_document_media_type: part.mediaType,
      source_document_title: part.title,
      source_document_filename: part.filename ?? null,
    };
  }
  if (type.startsWith("tool-")) {
    return {
      tool_call_id: part.toolCallId,
      tool_state: part.state,
      tool_error_text: part.errorText ?? null,
      tool_input: part.input ?? null,
      tool_output: part.output ?? null,
    };
  }
  if (type.startsWith("data-")) return { data_id: part.id ?? null, data_content: part.data };
  if (type === "step-start") return {};
  throw new Error(`no column for a part of type ${type}`);
}

/** What the design's relational query is sent as, with the columns that the parts are rebuilt from. */
const selectMessages = (sql: postgres.Sql) => sql`
  select m.id, m.role, m.created_at, p.parts
  from messages m
  left join lateral (
    select coalesce(json_agg(json_build_array(
      p.id, p.message_id, p.type, p.created_at, p."order", p.text_text, p.reasoning_text,
      p.file_media_type, p.file_filename, p.file_url,
      p.source_url_source_id, p.source_url_url, p.source_url_title,
      p.source_document_source_id, p.source_document_media_type, p.source_document_title,
      p.source_document_filename, p.tool_call_id, p.tool_state, p.tool_error_text, p.tool_input,
      p.tool_output, p.data_id, p.data_content, p.provider_metadata
    ) order by p."order"), '[]'::json) as parts
    from parts p where p.message_id = m.id
  ) p on true`;

/** Left out: list and merge, since a chat has no owner and no column beside its id. */
export const messageAndParts: Contestant = {
  name: "Message and parts",
  kind: "statements",
  about:
    "vercel-labs/ai-sdk-persistence-db: per message a transaction that upserts it, deletes its parts and inserts its parts; 10 statements a turn",
  async open({ url, connections }) {
    const sql = postgres(url, { max: connections, fetch_types: false, onnotice: () => {} });
    await sql.unsafe(SCHEMA);
    const json = (value: unknown) => sql.json(value as postgres.JSONValue);
    const isJson = new Set(["tool_input", "tool_output", "data_content", "provider_metadata"]);

    /** A row for each part, all with the columns that any of them fills. */
    function rowsOf({ id, parts }: JourneyMessage) {
      const contents = parts.map(contentOf);
      const columns = [...new Set(contents.flatMap(Object.keys))];
      return contents.map((content, order) => {
        const values = columns.map((column) => {
          const value = content[column] ?? null;
          return [column, value !== null && isJson.has(column) ? json(value) : value];
        });
        const type: string = parts[order]?.type;
        return { id: newPartId(), message_id: id, type, order, ...Object.fromEntries(values) };
      });
    }
    async function upsert(chatId: string, message: JourneyMessage) {
      const rows = rowsOf(message);
      await sql.begin(async (tx) => {
        await tx`
          insert into messages (id, chat_id, role) values (${message.id}, ${chatId}, ${message.role})
          on conflict (id) do update set chat_id = ${chatId}`;
        await tx`delete from parts where message_id = ${message.id}`;
        if (rows.length > 0) await tx`insert into parts ${tx(rows)}`;
      });
    }

    return {
      tables: ["chats", "messages", "parts"],
      async seed({ id }, messages) {
        await sql`insert into chats (id) values (${id})`;
        // A millisecond apart, and all before what is added next.
        await sql`
          insert into messages (id, chat_id, role, created_at)
          select m.id, ${id}, m.role, localtimestamp - (${messages.length}::int - nr + 1) * interval '1 ms'
          from rows from (json_to_recordset(${json(messages)}::json) as (id varchar, role varchar))
            with ordinality as m (id, role, nr)`;
        const rows = messages.flatMap(({ id: message_id, parts }) =>
          parts.map((part, order) => ({
            ...contentOf(part),
            id: newPartId(),
            message_id,
            type: part.type,
            order,
            created_at: new Date().toISOString(),
          })),
        );
        await sql`insert into parts select * from json_populate_recordset(null::parts, ${json(rows)}::json)`;
      },
      async first({ id }, message) {
        await sql`insert into chats (id) values (${id})`;
        await upsert(id, message);
      },
      async turn({ id }, user, assistant) {
        await upsert(id, user);
        await upsert(id, assistant);
      },
      append: ({ id }, message) => upsert(id, message),
      async grow({ id }, versions) {
        for (const version of versions) await upsert(id, version);
      },
      async open({ id }) {
        const messages = await sql`${selectMessages(sql)} where m.chat_id = ${id} order by m.created_at`;
        return messages.length;
      },
      async last({ id }) {
        const messages = await sql`
          ${selectMessages(sql)} where m.chat_id = ${id} order by m.created_at desc limit 20`;
        return messages.reverse().length;
      },
      async fork({ id }, newId) {
        await sql`
          with chat as (
            insert into chats (id) values (${newId})
          ), source as (
            select id, gen_random_uuid()::text as copy, created_at, role from messages where chat_id = ${id}
          ), copied as (
            insert into messages (id, chat_id, created_at, role)
            select copy, ${newId}, created_at, role from source
          )
          insert into parts
          select gen_random_uuid()::text, copy, p.type, p.created_at, p."order", p.text_text, p.reasoning_text,
            p.file_media_type, p.file_filename, p.file_url,
            p.source_url_source_id, p.source_url_url, p.source_url_title,
            p.source_document_source_id, p.source_document_media_type, p.source_document_title,
            p.source_document_filename, p.tool_call_id, p.tool_state, p.tool_error_text, p.tool_input,
            p.tool_output, p.data_id, p.data_content, p.provider_metadata
          from source join parts p on p.message_id = source.id`;
      },
      close: () => sql.end(),
    };
  },
};
