select json_build_array("journey_sessions"."id", "journey_sessions"."user_id", "journey_sessions"."phase", "journey_sessions"."metadata", "journey_sessions"."created_at" at time zone 'UTC', "journey_sessions"."updated_at" at time zone 'UTC')::text, hit.message_id, case when hit.place > 80 + 1 then '…' else '' end || substring(hit.text from greatest(hit.place - 80, 1) for least(hit.place - 1, 80)), hit.match, substring(hit.text from hit.place + hit.length for 80) || case when hit.place + hit.length + 80 <= char_length(hit.text) then '…' else '' end from "journey_sessions" cross join lateral (
      select found.*, strpos(found.text, found.match) as place, char_length(found.match) as length
      from (
        select newest.*, (regexp_match(newest.text, newest.pattern))[1] as match
        from ((
          select e.message ->> 'id' as message_id, p.text, input.pattern
          from (select '(?iq)' || $text::text as "pattern" offset 0) as input, (select "journey_sessions"."messages" #> '{}' as m offset 0) as stored,
            jsonb_array_elements(case when jsonb_typeof(m) = 'array' then m else '[]' end) with ordinality as e(message, n),
            jsonb_array_elements_text(jsonb_path_query_array(e.message, '$.parts[*] ? (@.type == "text").text ? (@.type() == "string")')) with ordinality as p(text, k)
          where jsonb_typeof(e.message -> 'id') = 'string' and p.text ~ input.pattern
          order by e.n desc, p.k
          limit 1
        ) union all select null, '', '' where (case when pg_column_size("journey_sessions"."messages") < 2000 then (jsonb_typeof("journey_sessions"."messages" -> 'rows') is not distinct from 'number') else false end)) as newest
        offset 0
      ) as found
    ) as hit where "journey_sessions"."user_id" = $userId order by "journey_sessions"."created_at" desc, "journey_sessions"."id" desc limit $limit
