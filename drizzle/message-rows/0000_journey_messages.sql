-- "if not exists": the table may have been restored without the journal of its migrations. The session
-- first in the key: a deleted session's messages are found by it alone.
CREATE TABLE IF NOT EXISTS "journey_messages" (
	"user_id" text NOT NULL,
	"session_id" uuid NOT NULL,
	"id" text NOT NULL,
	"appended_at" timestamp with time zone NOT NULL,
	"n" integer NOT NULL,
	"message" json NOT NULL,
	CONSTRAINT "journey_messages_pkey" PRIMARY KEY("session_id","id","user_id"),
	CONSTRAINT "journey_messages_session_id_fkey" FOREIGN KEY ("session_id") REFERENCES "journey_sessions"("id") ON DELETE cascade ON UPDATE no action
);
--> statement-breakpoint
ALTER TABLE "journey_messages" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "idx_journey_messages_order" ON "journey_messages" USING btree ("session_id","appended_at","n","user_id");
