-- On Supabase a table without row level security is open to anyone who holds the public key. No
-- policies: the application connects with a role that bypasses row level security.
ALTER TABLE "journey_sessions" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
ALTER TABLE "journey_sessions" ALTER COLUMN "user_id" SET NOT NULL;--> statement-breakpoint
ALTER TABLE "journey_sessions" ALTER COLUMN "phase" SET NOT NULL;--> statement-breakpoint
ALTER TABLE "journey_sessions" ALTER COLUMN "messages" SET NOT NULL;--> statement-breakpoint
ALTER TABLE "journey_sessions" ALTER COLUMN "metadata" SET NOT NULL;--> statement-breakpoint
ALTER TABLE "journey_sessions" ALTER COLUMN "created_at" SET NOT NULL;--> statement-breakpoint
ALTER TABLE "journey_sessions" ALTER COLUMN "updated_at" SET NOT NULL;--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "idx_journey_sessions_user_id_created_at_id" ON "journey_sessions" USING btree ("user_id","created_at","id");--> statement-breakpoint
-- Not valid: rows that an older program wrote must not block adoption. 0003 validates what holds.
-- "drop if exists": the table may have been restored without the journal of its migrations.
ALTER TABLE "journey_sessions" DROP CONSTRAINT IF EXISTS "journey_sessions_user_id_not_empty", ADD CONSTRAINT "journey_sessions_user_id_not_empty" CHECK (user_id <> '') NOT VALID;--> statement-breakpoint
-- The optional migrations of message rows widen this one, and then it stays as it is.
DO $$
BEGIN
	IF NOT EXISTS (
		SELECT FROM pg_catalog.pg_constraint
		WHERE conrelid = 'journey_sessions'::regclass AND conname = 'journey_sessions_messages_is_array' AND pg_get_constraintdef(oid) LIKE '%rows%'
	) THEN
		ALTER TABLE "journey_sessions" DROP CONSTRAINT IF EXISTS "journey_sessions_messages_is_array", ADD CONSTRAINT "journey_sessions_messages_is_array" CHECK (jsonb_typeof(messages) = 'array') NOT VALID;
	END IF;
END
$$;--> statement-breakpoint
ALTER TABLE "journey_sessions" DROP CONSTRAINT IF EXISTS "journey_sessions_metadata_is_object", ADD CONSTRAINT "journey_sessions_metadata_is_object" CHECK (jsonb_typeof(metadata) = 'object') NOT VALID;
