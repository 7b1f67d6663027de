delete from "journey_replies" where "journey_replies"."user_id" = $userId and "journey_replies"."session_id" = $id and "journey_replies"."id" = $replyId::text returning "id"
