with "written" as (update "journey_sessions" set "metadata" = (select (with recursive step as (
    select n, (step ->> 'path')::text[] as path, step -> 'patch' as patch from jsonb_array_elements(input.patch) with ordinality as e(step, n)
  ), merging as (
    select 0::bigint as n, input.stored as doc
    union all
    select step.n, case when step.path = '{}' then case
  when pg_column_size(step.patch) <= 16384 then ((case when jsonb_typeof(merging.doc #> step.path) = 'object' then merging.doc #> step.path else '{}' end) || step.patch) - array(select key from jsonb_each(step.patch) where value = 'null')
  else (select coalesce(json_object_agg(key, value)::text, '{}')::jsonb from jsonb_each((case when jsonb_typeof(merging.doc #> step.path) = 'object' then merging.doc #> step.path else '{}' end) || step.patch) where step.patch -> key is distinct from 'null')
end else jsonb_set(merging.doc, step.path, case
  when pg_column_size(step.patch) <= 16384 then ((case when jsonb_typeof(merging.doc #> step.path) = 'object' then merging.doc #> step.path else '{}' end) || step.patch) - array(select key from jsonb_each(step.patch) where value = 'null')
  else (select coalesce(json_object_agg(key, value)::text, '{}')::jsonb from jsonb_each((case when jsonb_typeof(merging.doc #> step.path) = 'object' then merging.doc #> step.path else '{}' end) || step.patch) where step.patch -> key is distinct from 'null')
end) end
    from merging join step on step.n = merging.n + 1
  ) select doc from merging order by n desc limit 1)), "updated_at" = now() from (select $patch::text::jsonb as "patch", $ifMatch::text::jsonb as "ifMatch", $ifRevision::text::timestamp at time zone 'UTC' as "ifRevision", $maxBytes::int as "maxBytes", $maxTextBytes::int as "maxTextBytes", (select "journey_sessions"."metadata" from "journey_sessions" where ("journey_sessions"."user_id" = $userId and "journey_sessions"."id" = $id) for no key update) as "stored" offset 0) as input where (("journey_sessions"."user_id" = $userId and "journey_sessions"."id" = $id) and (input."ifRevision" is null or "journey_sessions"."updated_at" = input."ifRevision") and jsonb_typeof("journey_sessions"."metadata") = 'object' and coalesce((select bool_and(coalesce(stored.metadata -> key, 'null') = value) from (select "journey_sessions"."metadata" #> '{}' as metadata offset 0) as stored, jsonb_each(input."ifMatch")), true) and (select (pg_column_size(value) <= input."maxBytes" and case when input."maxTextBytes" is null then true else octet_length(value::text) <= input."maxTextBytes" end) from (select (with recursive step as (
    select n, (step ->> 'path')::text[] as path, step -> 'patch' as patch from jsonb_array_elements(input.patch) with ordinality as e(step, n)
  ), merging as (
    select 0::bigint as n, input.stored as doc
    union all
    select step.n, case when step.path = '{}' then case
  when pg_column_size(step.patch) <= 16384 then ((case when jsonb_typeof(merging.doc #> step.path) = 'object' then merging.doc #> step.path else '{}' end) || step.patch) - array(select key from jsonb_each(step.patch) where value = 'null')
  else (select coalesce(json_object_agg(key, value)::text, '{}')::jsonb from jsonb_each((case when jsonb_typeof(merging.doc #> step.path) = 'object' then merging.doc #> step.path else '{}' end) || step.patch) where step.patch -> key is distinct from 'null')
end else jsonb_set(merging.doc, step.path, case
  when pg_column_size(step.patch) <= 16384 then ((case when jsonb_typeof(merging.doc #> step.path) = 'object' then merging.doc #> step.path else '{}' end) || step.patch) - array(select key from jsonb_each(step.patch) where value = 'null')
  else (select coalesce(json_object_agg(key, value)::text, '{}')::jsonb from jsonb_each((case when jsonb_typeof(merging.doc #> step.path) = 'object' then merging.doc #> step.path else '{}' end) || step.patch) where step.patch -> key is distinct from 'null')
end) end
    from merging join step on step.n = merging.n + 1
  ) select doc from merging order by n desc limit 1) as value offset 0) as result)) returning "journey_sessions"."id", "journey_sessions"."created_at", "journey_sessions"."updated_at", "journey_sessions"."metadata") select written.id, to_jsonb(written.updated_at at time zone 'UTC') #>> '{}', written.metadata::text from "written"
