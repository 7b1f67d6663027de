-- A session that keeps its messages in rows has an object in their place, with their number. Without
-- this file the database refuses it. "if not exists": the tables may have been restored without the
-- journal of their migrations.
DO $$
BEGIN
	IF NOT EXISTS (
		SELECT FROM pg_catalog.pg_constraint
		WHERE conrelid = 'journey_sessions'::regclass AND conname = 'journey_sessions_messages_is_array' AND pg_get_constraintdef(oid) LIKE '%rows%'
	) THEN
		ALTER TABLE "journey_sessions" DROP CONSTRAINT IF EXISTS "journey_sessions_messages_is_array", ADD CONSTRAINT "journey_sessions_messages_is_array" CHECK (jsonb_typeof(messages) = 'array' OR jsonb_typeof(messages -> 'rows') IS NOT DISTINCT FROM 'number') NOT VALID;
	END IF;
END
$$;
--> statement-breakpoint
-- Validating reads every conversation, while the lock of the statement above keeps all others waiting:
-- a large table stays NOT VALID, and journey-db verify prints what validates it without that lock.
DO $$
BEGIN
	IF pg_table_size('journey_sessions'::regclass) < 64 * 1024 * 1024 THEN
		ALTER TABLE "journey_sessions" VALIDATE CONSTRAINT "journey_sessions_messages_is_array";
	END IF;
EXCEPTION WHEN check_violation THEN
	NULL;
END
$$;
