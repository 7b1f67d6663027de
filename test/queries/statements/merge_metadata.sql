update "journey_sessions" set "metadata" = (
  select case
    when cardinality(gone.keys) <= 256 then ("journey_sessions"."metadata" || input.patch) - gone.keys
    else (select coalesce(json_object_agg(key, value)::text, '{}')::jsonb from jsonb_each("journey_sessions"."metadata") where input.patch -> key is distinct from 'null') || (select coalesce(json_object_agg(key, value)::text, '{}')::jsonb from jsonb_each(input.patch) where value <> 'null')
  end
  from (select array(select key from jsonb_each(input.patch) where value = 'null') as keys offset 0) as gone
), "updated_at" = now() from (select $patch::text::jsonb as "patch", $ifMatch::text::jsonb as "ifMatch", $ifRevision::text as "ifRevision", $maxBytes::int as "maxBytes", $maxTextBytes::int as "maxTextBytes" offset 0) as input where (("journey_sessions"."user_id" = $userId and "journey_sessions"."id" = $id) and jsonb_typeof("journey_sessions"."metadata") = 'object' and (input."ifRevision" is null or to_jsonb("journey_sessions"."updated_at" at time zone 'UTC') #>> '{}' = input."ifRevision") and coalesce((select bool_and(coalesce(stored.metadata -> key, 'null') = value) from (select "journey_sessions"."metadata" #> '{}' as metadata offset 0) as stored, jsonb_each(input."ifMatch")), true) and (select pg_column_size(value) <= input."maxBytes" and case when input."maxTextBytes" is null then true else octet_length(value::text) <= input."maxTextBytes" end from (select (
  select case
    when cardinality(gone.keys) <= 256 then ("journey_sessions"."metadata" || input.patch) - gone.keys
    else (select coalesce(json_object_agg(key, value)::text, '{}')::jsonb from jsonb_each("journey_sessions"."metadata") where input.patch -> key is distinct from 'null') || (select coalesce(json_object_agg(key, value)::text, '{}')::jsonb from jsonb_each(input.patch) where value <> 'null')
  end
  from (select array(select key from jsonb_each(input.patch) where value = 'null') as keys offset 0) as gone
) as value offset 0) as result)) returning "journey_sessions"."id", to_jsonb("journey_sessions"."updated_at" at time zone 'UTC') #>> '{}', "journey_sessions"."metadata"::text
