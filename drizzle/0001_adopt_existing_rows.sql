-- The old trigger would set updated_at on every row that is filled below. 0004 makes the new one.
DROP TRIGGER IF EXISTS "journey_sessions_updated_at" ON "journey_sessions";
--> statement-breakpoint
ALTER TABLE "journey_sessions"
	ALTER COLUMN "id" SET DEFAULT gen_random_uuid(),
	ALTER COLUMN "phase" SET DEFAULT 'setup',
	ALTER COLUMN "messages" SET DEFAULT '[]'::jsonb,
	ALTER COLUMN "metadata" SET DEFAULT '{}'::jsonb,
	ALTER COLUMN "created_at" SET DEFAULT now(),
	ALTER COLUMN "updated_at" SET DEFAULT now();
--> statement-breakpoint
-- Forced, row level security hides the rows from their owner too, and none would be filled.
ALTER TABLE "journey_sessions" NO FORCE ROW LEVEL SECURITY;
--> statement-breakpoint
-- NULLs get the column's default; no other value changes.
UPDATE "journey_sessions" SET
	"phase" = coalesce("phase", 'setup'),
	"messages" = coalesce("messages", '[]'::jsonb),
	"metadata" = coalesce("metadata", '{}'::jsonb),
	"created_at" = coalesce("created_at", now()),
	"updated_at" = coalesce("updated_at", now())
WHERE "phase" IS NULL OR "messages" IS NULL OR "metadata" IS NULL OR "created_at" IS NULL OR "updated_at" IS NULL;
