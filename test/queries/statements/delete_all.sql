with "deleted" as (delete from "journey_sessions" where "journey_sessions"."user_id" = $userId returning "id") select count(*)::int from "deleted"
