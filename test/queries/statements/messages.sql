select json_build_array("journey_sessions"."id", "journey_sessions"."user_id", "journey_sessions"."phase", "journey_sessions"."metadata", "journey_sessions"."created_at" at time zone 'UTC', "journey_sessions"."updated_at" at time zone 'UTC')::text, page.stored, page.messages::text, page.has_more from "journey_sessions" cross join lateral (
      select case when place.is_array then 'array' when (jsonb_typeof(m -> 'rows') is not distinct from 'number') then 'rows' end as stored, place.last > place."limit" as has_more,
        case when place.last is not null then jsonb_path_query_array(m, '$[$first to $last]', jsonb_build_object('first', greatest(place.last - place."limit", 0) + 1 - 1, 'last', place.last - 1)) end as messages
      from (
        select m, jsonb_typeof(m) = 'array' as is_array, input."limit", case
          when not jsonb_typeof(m) = 'array' then null
          when input."before" is null then jsonb_array_length(m)
          else (select min(n) from jsonb_array_elements(m) with ordinality as e(message, n) where message -> 'id' = to_jsonb(input."before")) - 1
        end as last
        from (select "journey_sessions"."messages" #> '{}' as m offset 0) as stored, (select $before::text as "before", $limit::int as "limit" offset 0) as input
        offset 0
      ) as place
    ) as page where ("journey_sessions"."user_id" = $userId and "journey_sessions"."id" = $id)
