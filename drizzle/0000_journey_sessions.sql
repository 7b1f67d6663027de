-- "if not exists": the table may have been made by hand before this package existed.
CREATE TABLE IF NOT EXISTS "journey_sessions" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"user_id" text NOT NULL,
	"phase" text DEFAULT 'setup',
	"messages" jsonb DEFAULT '[]'::jsonb,
	"metadata" jsonb DEFAULT '{}'::jsonb,
	"created_at" timestamp with time zone DEFAULT now(),
	"updated_at" timestamp with time zone DEFAULT now()
);
--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "idx_journey_sessions_user_id" ON "journey_sessions" USING btree ("user_id");
