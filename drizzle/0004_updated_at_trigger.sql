-- updated_at strictly increases, so that a revision made from it never comes back: now() alone is
-- the same for an insert and an update in one transaction, and a clock may be set back. A stored
-- time at the end of the range (or infinity) cannot be increased and starts again at now().
CREATE OR REPLACE FUNCTION "update_journey_sessions_updated_at"() RETURNS trigger
LANGUAGE plpgsql
SET search_path = ''
AS $$
BEGIN
	NEW.updated_at := greatest(
		now(),
		CASE WHEN OLD.updated_at < '294276-01-01 00:00:00+00'::timestamptz THEN OLD.updated_at + interval '1 microsecond' END
	);
	RETURN NEW;
END
$$;
--> statement-breakpoint
DROP TRIGGER IF EXISTS "journey_sessions_updated_at" ON "journey_sessions";
--> statement-breakpoint
CREATE TRIGGER "journey_sessions_updated_at"
	BEFORE UPDATE ON "journey_sessions"
	FOR EACH ROW
	EXECUTE FUNCTION "update_journey_sessions_updated_at"();
