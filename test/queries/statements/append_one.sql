with "written" as (update "journey_sessions" set "messages" = (select case
  when not jsonb_path_exists(m, '$[*] ? (@.id == $id)', jsonb_build_object('id', input.messages #> '{0,id}')) then m || input.messages
  when m -> -1 -> 'id' = input.messages #> '{0,id}' and not jsonb_path_exists(m, '$[0 to last - 1] ? (@.id == $id)', jsonb_build_object('id', input.messages #> '{0,id}')) then jsonb_set(m, '{-1}', input.messages -> 0)
  else jsonb_set(m, array[(
    select coalesce(min(n) - 1, jsonb_array_length(m))::text from jsonb_array_elements(m) with ordinality as b(message, n)
    where message -> 'id' = input.messages #> '{0,id}'
  )], input.messages -> 0)
end from (select "journey_sessions"."messages" #> '{}' as m offset 0) as stored), "updated_at" = now() from (select $messages::text::jsonb as "messages", $maxBytes::int as "maxBytes", $maxTextBytes::int as "maxTextBytes", $ifRevision::text::timestamp at time zone 'UTC' as "ifRevision", $checkAfter::bool as "checkAfter", $after::text as "after" offset 0) as input where (("journey_sessions"."user_id" = $userId and "journey_sessions"."id" = $id) and (input."ifRevision" is null or "journey_sessions"."updated_at" = input."ifRevision") and jsonb_typeof("journey_sessions"."metadata") = 'object' and (select case when jsonb_typeof(m) = 'array' then (not input."checkAfter" or (case
  when not m -> -1 -> 'id' is not distinct from input.messages #> '{0,id}' then case when jsonb_array_length(m) > 0 then coalesce(m -> -1 -> 'id', 'null') end
  else (
    select coalesce(message -> 'id', 'null') from jsonb_array_elements(m) with ordinality as e(message, n)
    where not e.message -> 'id' is not distinct from input.messages #> '{0,id}' order by n desc limit 1
  )
end is not distinct from to_jsonb(input.after))) and (input."maxTextBytes" is null and pg_column_size(m) + pg_column_size(input.messages) <= input."maxBytes" or (select (pg_column_size(value) <= input."maxBytes" and case when input."maxTextBytes" is null then true else octet_length(value::text) <= input."maxTextBytes" end) from (select case
  when not jsonb_path_exists(m, '$[*] ? (@.id == $id)', jsonb_build_object('id', input.messages #> '{0,id}')) then m || input.messages
  when m -> -1 -> 'id' = input.messages #> '{0,id}' and not jsonb_path_exists(m, '$[0 to last - 1] ? (@.id == $id)', jsonb_build_object('id', input.messages #> '{0,id}')) then jsonb_set(m, '{-1}', input.messages -> 0)
  else jsonb_set(m, array[(
    select coalesce(min(n) - 1, jsonb_array_length(m))::text from jsonb_array_elements(m) with ordinality as b(message, n)
    where message -> 'id' = input.messages #> '{0,id}'
  )], input.messages -> 0)
end as value offset 0) as result)) else false end from (select "journey_sessions"."messages" #> '{}' as m offset 0) as stored)) returning "journey_sessions"."id", "journey_sessions"."created_at", "journey_sessions"."updated_at", jsonb_array_length("journey_sessions"."messages") as "message_count", (select pg_column_size("journey_sessions"."messages")) as "bytes") select written.id, to_jsonb(written.updated_at at time zone 'UTC') #>> '{}', written.created_at = written.updated_at, written.message_count, written.bytes from "written"
