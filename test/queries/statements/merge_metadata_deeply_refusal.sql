select case when "journey_sessions"."id" is null then 'session' else case when (input."ifRevision" is null or "journey_sessions"."updated_at" = input."ifRevision") then case when jsonb_typeof("journey_sessions"."metadata") = 'object' then case when (select jsonb_typeof(m) = 'array' from (select "journey_sessions"."messages" #> '{}' as m offset 0) as stored) then case when coalesce((select bool_and(coalesce(stored.metadata -> key, 'null') = value) from (select "journey_sessions"."metadata" #> '{}' as metadata offset 0) as stored, jsonb_each(input."ifMatch")), true) then case when (select (pg_column_size(value) <= input."maxBytes" and case when input."maxTextBytes" is null then true else octet_length(value::text) <= input."maxTextBytes" end) from (select (with recursive step as (
    select n, (step ->> 'path')::text[] as path, step -> 'patch' as patch from jsonb_array_elements(input.patch) with ordinality as e(step, n)
  ), merging as (
    select 0::bigint as n, "journey_sessions"."metadata" as doc
    union all
    select step.n, case when step.path = '{}' then case
  when pg_column_size(step.patch) <= 16384 then ((case when jsonb_typeof(merging.doc #> step.path) = 'object' then merging.doc #> step.path else '{}' end) || step.patch) - array(select key from jsonb_each(step.patch) where value = 'null')
  else (select coalesce(json_object_agg(key, value)::text, '{}')::jsonb from jsonb_each((case when jsonb_typeof(merging.doc #> step.path) = 'object' then merging.doc #> step.path else '{}' end) || step.patch) where step.patch -> key is distinct from 'null')
end else jsonb_set(merging.doc, step.path, case
  when pg_column_size(step.patch) <= 16384 then ((case when jsonb_typeof(merging.doc #> step.path) = 'object' then merging.doc #> step.path else '{}' end) || step.patch) - array(select key from jsonb_each(step.patch) where value = 'null')
  else (select coalesce(json_object_agg(key, value)::text, '{}')::jsonb from jsonb_each((case when jsonb_typeof(merging.doc #> step.path) = 'object' then merging.doc #> step.path else '{}' end) || step.patch) where step.patch -> key is distinct from 'null')
end) end
    from merging join step on step.n = merging.n + 1
  ) select doc from merging order by n desc limit 1) as value offset 0) as result) then null else 'size' end else 'ifMatch' end else 'messages' end else 'metadata' end else 'ifRevision' end end from (select $patch::text::jsonb as "patch", $ifMatch::text::jsonb as "ifMatch", $ifRevision::text::timestamp at time zone 'UTC' as "ifRevision", $maxBytes::int as "maxBytes", $maxTextBytes::int as "maxTextBytes" offset 0) as input left join "journey_sessions" on ("journey_sessions"."user_id" = $userId and "journey_sessions"."id" = $id)
