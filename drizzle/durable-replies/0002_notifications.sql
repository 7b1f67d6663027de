-- Tells those who wait, on the channel journey_db, which session has changed: its id, with "+" for a
-- batch of its reply. Triggers, so that they also see what another program writes. A transaction that
-- notifies takes a lock of the whole server for its commit, so nothing notifies without this file.
CREATE OR REPLACE FUNCTION "notify_journey_sessions"() RETURNS trigger
LANGUAGE plpgsql
SET search_path = ''
AS $$
BEGIN
	PERFORM pg_catalog.pg_notify('journey_db', OLD.id::text);
	RETURN NULL;
END
$$;
--> statement-breakpoint
DROP TRIGGER IF EXISTS "journey_sessions_notify" ON "journey_sessions";
--> statement-breakpoint
CREATE TRIGGER "journey_sessions_notify"
	AFTER UPDATE OR DELETE ON "journey_sessions"
	FOR EACH ROW
	EXECUTE FUNCTION "notify_journey_sessions"();
--> statement-breakpoint
CREATE OR REPLACE FUNCTION "notify_journey_replies"() RETURNS trigger
LANGUAGE plpgsql
SET search_path = ''
AS $$
BEGIN
	IF TG_OP <> 'UPDATE' OR NEW.id <> OLD.id OR NEW.state <> OLD.state OR NEW.message_id IS DISTINCT FROM OLD.message_id THEN
		PERFORM pg_catalog.pg_notify('journey_db', coalesce(NEW.session_id, OLD.session_id)::text);
	ELSIF NEW.batches <> OLD.batches THEN
		PERFORM pg_catalog.pg_notify('journey_db', NEW.session_id || '+');
	END IF;
	RETURN NULL;
END
$$;
--> statement-breakpoint
DROP TRIGGER IF EXISTS "journey_replies_notify" ON "journey_replies";
--> statement-breakpoint
CREATE TRIGGER "journey_replies_notify"
	AFTER INSERT OR UPDATE OR DELETE ON "journey_replies"
	FOR EACH ROW
	EXECUTE FUNCTION "notify_journey_replies"();
--> statement-breakpoint
-- Triggers call them without it.
DO $$
DECLARE
	role_name text;
BEGIN
	REVOKE ALL ON FUNCTION "notify_journey_sessions"(), "notify_journey_replies"() FROM PUBLIC;
	FOREACH role_name IN ARRAY ARRAY['anon', 'authenticated', 'service_role'] LOOP
		IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role_name) THEN
			EXECUTE format('REVOKE ALL ON FUNCTION "notify_journey_sessions"(), "notify_journey_replies"() FROM %I', role_name);
		END IF;
	END LOOP;
END
$$;
