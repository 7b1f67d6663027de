-- A PL/pgSQL trigger copies the row, with its whole conversation: up to a sixth of the server's time
-- of an append. So it leaves alone what has the right updated_at already: the package's own
-- statements set it to now(), which the trigger need only raise where that is no increase.
DROP TRIGGER IF EXISTS "journey_sessions_updated_at" ON "journey_sessions";
--> statement-breakpoint
CREATE TRIGGER "journey_sessions_updated_at"
	BEFORE UPDATE ON "journey_sessions"
	FOR EACH ROW
	WHEN ((NEW.updated_at = now() AND NEW.updated_at > OLD.updated_at) IS NOT TRUE)
	EXECUTE FUNCTION "update_journey_sessions_updated_at"();
