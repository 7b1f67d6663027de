with "previous" as (select "journey_replies"."id" from "journey_replies" where "journey_replies"."user_id" = $userId and "journey_replies"."session_id" = $id and "journey_replies"."batches" > 0), "started" as (insert into "journey_replies" (user_id, session_id, id, message_id, state, continues, batches, started_at, written_at)
      select "journey_sessions"."user_id", "journey_sessions"."id", $replyId::text, $messageId::text, 'running', $continues::int, 0, now(), now() from "journey_sessions" where ("journey_sessions"."user_id" = $userId and "journey_sessions"."id" = $id)
      on conflict (session_id, user_id) do update set id = excluded.id, message_id = excluded.message_id, state = excluded.state,
        continues = excluded.continues, batches = excluded.batches, started_at = excluded.started_at, written_at = excluded.written_at
      where "journey_replies"."user_id" = $userId and ("journey_replies"."state" in ('stored', 'ended') or "journey_replies"."batches" = 0
        and ("journey_replies"."id" = excluded.id or excluded.started_at - "journey_replies"."started_at" > interval '3 seconds'))
      returning "journey_replies"."session_id", "journey_replies"."id"), "cleared" as (delete from "journey_reply_chunks" using started, previous
      where "journey_reply_chunks"."user_id" = $userId and "journey_reply_chunks"."session_id" = started.session_id and "journey_reply_chunks"."reply_id" not in (started.id, previous.id)
      returning 1 as one) select exists (select 1 from "journey_sessions" where ("journey_sessions"."user_id" = $userId and "journey_sessions"."id" = $id)), exists (select 1 from started) from (select 1) as one where (select count(*) from "previous") >= 0
