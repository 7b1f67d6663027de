select batch.summary, batch.metadata, batch.messages, batch.bytes from (
      with recursive batch as (
        select $time::text::timestamp at time zone 'UTC' as created_at, coalesce($id::uuid, '00000000-0000-0000-0000-000000000000') as id,
          $id::uuid as seen, null as summary, null as metadata, null as messages, 0 as bytes
        union all
        select next.created_at, next.id, next.id, next.summary, next.metadata, next.messages,
          batch.bytes + octet_length(next.summary) + octet_length(next.metadata) + octet_length(next.messages)
        from batch cross join lateral (
          select "journey_sessions"."created_at" as created_at, "journey_sessions"."id" as id, json_build_array("journey_sessions"."id", "journey_sessions"."user_id", "journey_sessions"."phase", "journey_sessions"."metadata", "journey_sessions"."created_at" at time zone 'UTC', "journey_sessions"."updated_at" at time zone 'UTC')::text as summary, "journey_sessions"."metadata"::text as metadata, case when (jsonb_typeof("journey_sessions"."messages" -> 'rows') is not distinct from 'number') then '[' || coalesce((
      select string_agg("journey_messages"."message"::text, ', ' order by "journey_messages"."appended_at", "journey_messages"."n") from "journey_messages"
      where "journey_messages"."user_id" = $userId and "journey_messages"."session_id" = "journey_sessions"."id"
    ), '') || ']' else "journey_sessions"."messages"::text end as messages
          from "journey_sessions"
          where "journey_sessions"."user_id" = $userId and ("journey_sessions"."created_at", "journey_sessions"."id") >= (batch.created_at, batch.id) and "journey_sessions"."id" is distinct from batch.seen
          order by "journey_sessions"."created_at", "journey_sessions"."id"
          limit 1
        ) as next
        where batch.bytes < $maxBytes::int
      )
      select summary, metadata, messages, bytes from batch where summary is not null
    ) as batch
