select case when "journey_sessions"."id" is null then 'session' else case when (jsonb_typeof("journey_sessions"."messages" -> 'rows') is not distinct from 'number') then case when (jsonb_typeof("journey_sessions"."messages" -> 'rows') is not distinct from 'number') then case when (input."ifRevision" is null or "journey_sessions"."updated_at" = input."ifRevision") then case when jsonb_typeof("journey_sessions"."metadata") = 'object' then case when coalesce(input.bytes <= input."maxMessageBytes", true) then case when "journey_sessions"."updated_at" < '294276-01-01 00:00:00+00'::timestamptz then null else 'time' end else 'message size' end else 'metadata' end else 'ifRevision' end else 'column' end else coalesce(nullif(case when (input."ifRevision" is null or "journey_sessions"."updated_at" = input."ifRevision") then case when jsonb_typeof("journey_sessions"."metadata") = 'object' then (select case when not (jsonb_typeof(m -> 'rows') is not distinct from 'number') then case when jsonb_typeof(m) = 'array' then case when (input."from" is null or (select min(n) from jsonb_array_elements(m) with ordinality as e(message, n) where message -> 'id' = to_jsonb(input."from")) is not null) then case when (not input."checkAfter" or (case
  when not exists (select from jsonb_array_elements(input.messages) as a(message) where a.message -> 'id' = m -> -1 -> 'id') then case when jsonb_array_length(m) > 0 then coalesce(m -> -1 -> 'id', 'null') end
  else (
    select coalesce(message -> 'id', 'null') from jsonb_array_elements(m) with ordinality as e(message, n)
    where not exists (select from jsonb_array_elements(input.messages) as a(message) where a.message -> 'id' = e.message -> 'id') order by n desc limit 1
  )
end is not distinct from to_jsonb(input.after))) then case when (input."maxTextBytes" is null and pg_column_size(m) + pg_column_size(input.messages) <= input."maxBytes" or (select (pg_column_size(value) <= input."maxBytes" and case when input."maxTextBytes" is null then true else octet_length(value::text) <= input."maxTextBytes" end) from (select (select case
  when jsonb_array_length(input.messages) <= 16 and not jsonb_path_exists(kept.messages, '$[*] ? (@.id == $added[*].id)', jsonb_build_object('added', input.messages)) then kept.messages || input.messages
  else (
    select coalesce(to_jsonb(array_agg(coalesce(r.message, b.message) order by b.n)), '[]')
    from jsonb_array_elements(kept.messages) with ordinality as b(message, n)
    left join (
      select a.message, min(b.n) as n
      from jsonb_array_elements(input.messages) as a(message)
      join jsonb_array_elements(kept.messages) with ordinality as b(message, n) on a.message -> 'id' = b.message -> 'id'
      group by a.message
    ) as r on r.n = b.n
  ) || (
    select coalesce(to_jsonb(array_agg(a.message order by a.n)), '[]')
    from jsonb_array_elements(input.messages) with ordinality as a(message, n)
    where not exists (select from jsonb_array_elements(kept.messages) as b(message) where b.message -> 'id' = a.message -> 'id')
  )
end from (select case when input."from" is null then m else jsonb_path_query_array(m, '$[$first to $last]', jsonb_build_object('first', 1 - 1, 'last', coalesce((select max(n) from jsonb_array_elements(m) with ordinality as e(message, n) where message -> 'id' = to_jsonb(input."from")), 1) - 1 - 1)) end as messages offset 0) as kept) as value offset 0) as result)) then null else 'size' end else 'after' end else 'message' end else 'messages' end else 'rows' end from (select "journey_sessions"."messages" #> '{}' as m offset 0) as stored) else 'metadata' end else 'ifRevision' end, 'size'), case when coalesce(input.bytes <= input."maxMessageBytes", true) then null else 'message size' end, 'column') end end from (select $messages::text::jsonb as "messages", $maxBytes::int as "maxBytes", $maxTextBytes::int as "maxTextBytes", $ifRevision::text::timestamp at time zone 'UTC' as "ifRevision", $checkAfter::bool as "checkAfter", $after::text as "after", $from::text as "from", (select array_agg(given.id) from (select e.message ->> 'id' as id, e.n::int as n, e.message
    from json_array_elements($messages::text::json) with ordinality as e(message, n)) as given) as "ids", (select max(octet_length(given.message::text)) from (select e.message ->> 'id' as id, e.n::int as n, e.message
    from json_array_elements($messages::text::json) with ordinality as e(message, n)) as given) as "bytes", $maxMessageBytes::int as "maxMessageBytes" offset 0) as input left join "journey_sessions" on ("journey_sessions"."user_id" = $userId and "journey_sessions"."id" = $id)
