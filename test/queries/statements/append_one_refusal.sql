select case when "journey_sessions"."id" is null then 'session' else case when (input."ifRevision" is null or "journey_sessions"."updated_at" = input."ifRevision") then case when jsonb_typeof("journey_sessions"."metadata") = 'object' then (select case when not (jsonb_typeof(m -> 'rows') is not distinct from 'number') then case when jsonb_typeof(m) = 'array' then case when (not input."checkAfter" or (case
  when not m -> -1 -> 'id' is not distinct from input.messages #> '{0,id}' then case when jsonb_array_length(m) > 0 then coalesce(m -> -1 -> 'id', 'null') end
  else (
    select coalesce(message -> 'id', 'null') from jsonb_array_elements(m) with ordinality as e(message, n)
    where not e.message -> 'id' is not distinct from input.messages #> '{0,id}' order by n desc limit 1
  )
end is not distinct from to_jsonb(input.after))) then case when (input."maxTextBytes" is null and pg_column_size(m) + pg_column_size(input.messages) <= input."maxBytes" or (select (pg_column_size(value) <= input."maxBytes" and case when input."maxTextBytes" is null then true else octet_length(value::text) <= input."maxTextBytes" end) from (select case
  when not jsonb_path_exists(m, '$[*] ? (@.id == $id)', jsonb_build_object('id', input.messages #> '{0,id}')) then m || input.messages
  when m -> -1 -> 'id' = input.messages #> '{0,id}' and not jsonb_path_exists(m, '$[0 to last - 1] ? (@.id == $id)', jsonb_build_object('id', input.messages #> '{0,id}')) then jsonb_set(m, '{-1}', input.messages -> 0)
  else jsonb_set(m, array[(
    select coalesce(min(n) - 1, jsonb_array_length(m))::text from jsonb_array_elements(m) with ordinality as b(message, n)
    where message -> 'id' = input.messages #> '{0,id}'
  )], input.messages -> 0)
end as value offset 0) as result)) then null else 'size' end else 'after' end else 'messages' end else 'rows' end from (select "journey_sessions"."messages" #> '{}' as m offset 0) as stored) else 'metadata' end else 'ifRevision' end end from (select $messages::text::jsonb as "messages", $maxBytes::int as "maxBytes", $maxTextBytes::int as "maxTextBytes", $ifRevision::text::timestamp at time zone 'UTC' as "ifRevision", $checkAfter::bool as "checkAfter", $after::text as "after" offset 0) as input left join "journey_sessions" on ("journey_sessions"."user_id" = $userId and "journey_sessions"."id" = $id)
