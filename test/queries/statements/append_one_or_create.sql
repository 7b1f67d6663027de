with "written" as (insert into "journey_sessions" ("id", "user_id", "phase", "messages", "metadata", "created_at", "updated_at") select $id::uuid, $userId::text, $phase::text, messages, metadata, now(), now() from (select $messages::text::jsonb as "messages", $metadata::text::jsonb as "metadata", $maxMetadataBytes::int as "maxMetadataBytes", $maxMetadataTextBytes::int as "maxMetadataTextBytes", $maxBytes::int as "maxBytes", $maxTextBytes::int as "maxTextBytes" offset 0) as input where ((pg_column_size(input.messages) <= input."maxBytes" and case when input."maxTextBytes" is null then true else octet_length(input.messages::text) <= input."maxTextBytes" end) and (pg_column_size(input.metadata) <= input."maxMetadataBytes" and case when input."maxMetadataTextBytes" is null then true else octet_length(input.metadata::text) <= input."maxMetadataTextBytes" end)) on conflict ("id") do update set "messages" = (select case
  when not jsonb_path_exists(m, '$[*] ? (@.id == $id)', jsonb_build_object('id', excluded.messages #> '{0,id}')) then m || excluded.messages
  when m -> -1 -> 'id' = excluded.messages #> '{0,id}' and not jsonb_path_exists(m, '$[0 to last - 1] ? (@.id == $id)', jsonb_build_object('id', excluded.messages #> '{0,id}')) then jsonb_set(m, '{-1}', excluded.messages -> 0)
  else jsonb_set(m, array[(
    select coalesce(min(n) - 1, jsonb_array_length(m))::text from jsonb_array_elements(m) with ordinality as b(message, n)
    where message -> 'id' = excluded.messages #> '{0,id}'
  )], excluded.messages -> 0)
end from (select "journey_sessions"."messages" #> '{}' as m offset 0) as stored), "updated_at" = excluded.updated_at where (("journey_sessions"."user_id" = $userId and "journey_sessions"."id" = $id) and jsonb_typeof("journey_sessions"."metadata") = 'object' and (select case when jsonb_typeof(m) = 'array' then (not $checkAfter::bool or (case
  when not m -> -1 -> 'id' is not distinct from excluded.messages #> '{0,id}' then case when jsonb_array_length(m) > 0 then coalesce(m -> -1 -> 'id', 'null') end
  else (
    select coalesce(message -> 'id', 'null') from jsonb_array_elements(m) with ordinality as e(message, n)
    where not e.message -> 'id' is not distinct from excluded.messages #> '{0,id}' order by n desc limit 1
  )
end is not distinct from to_jsonb(null::text))) and ($maxTextBytes::int is null and pg_column_size(m) + pg_column_size(excluded.messages) <= $maxBytes::int or (select (pg_column_size(value) <= $maxBytes::int and case when $maxTextBytes::int is null then true else octet_length(value::text) <= $maxTextBytes::int end) from (select case
  when not jsonb_path_exists(m, '$[*] ? (@.id == $id)', jsonb_build_object('id', excluded.messages #> '{0,id}')) then m || excluded.messages
  when m -> -1 -> 'id' = excluded.messages #> '{0,id}' and not jsonb_path_exists(m, '$[0 to last - 1] ? (@.id == $id)', jsonb_build_object('id', excluded.messages #> '{0,id}')) then jsonb_set(m, '{-1}', excluded.messages -> 0)
  else jsonb_set(m, array[(
    select coalesce(min(n) - 1, jsonb_array_length(m))::text from jsonb_array_elements(m) with ordinality as b(message, n)
    where message -> 'id' = excluded.messages #> '{0,id}'
  )], excluded.messages -> 0)
end as value offset 0) as result)) else false end from (select "journey_sessions"."messages" #> '{}' as m offset 0) as stored)) returning "id", "created_at", "updated_at", jsonb_array_length("messages") as "message_count", (select pg_column_size("journey_sessions"."messages")) as "bytes") select written.id, to_jsonb(written.updated_at at time zone 'UTC') #>> '{}', written.created_at = written.updated_at, written.message_count, written.bytes from "written"
