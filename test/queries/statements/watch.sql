select to_jsonb("journey_sessions"."updated_at" at time zone 'UTC') #>> '{}' from "journey_sessions" where ("journey_sessions"."user_id" = $userId and "journey_sessions"."id" = $id)
