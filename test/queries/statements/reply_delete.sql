with "removed" as (delete from "journey_replies" where "journey_replies"."user_id" = $userId and "journey_replies"."session_id" = $id and "journey_replies"."id" = $replyId::text returning "journey_replies"."id"), "cleared" as (delete from "journey_reply_chunks"
      where "journey_reply_chunks"."user_id" = $userId and "journey_reply_chunks"."session_id" = $id and "journey_reply_chunks"."reply_id" = $replyId::text
      returning 1 as one) select removed.id from removed
