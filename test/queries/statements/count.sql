select count(*)::int from "journey_sessions" where "journey_sessions"."user_id" = $userId
