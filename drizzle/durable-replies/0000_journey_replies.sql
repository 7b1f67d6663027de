-- "if not exists": the tables may have been restored without the journal of their migrations. The session
-- first in both keys: what belongs to a deleted session is found by it alone.
CREATE TABLE IF NOT EXISTS "journey_replies" (
	"user_id" text NOT NULL,
	"session_id" uuid NOT NULL,
	"id" text NOT NULL,
	"state" text NOT NULL,
	"continues" integer,
	"batches" integer NOT NULL,
	"started_at" timestamp with time zone NOT NULL,
	"written_at" timestamp with time zone NOT NULL,
	CONSTRAINT "journey_replies_pkey" PRIMARY KEY("session_id","user_id"),
	CONSTRAINT "journey_replies_state" CHECK (state in ('running', 'stopping', 'closing', 'stored', 'ended')),
	CONSTRAINT "journey_replies_session_id_fkey" FOREIGN KEY ("session_id") REFERENCES "journey_sessions"("id") ON DELETE cascade ON UPDATE no action
);
--> statement-breakpoint
ALTER TABLE "journey_replies" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE IF NOT EXISTS "journey_reply_chunks" (
	"user_id" text NOT NULL,
	"session_id" uuid NOT NULL,
	"reply_id" text NOT NULL,
	"n" integer NOT NULL,
	"chunks" text NOT NULL,
	CONSTRAINT "journey_reply_chunks_pkey" PRIMARY KEY("session_id","user_id","reply_id","n"),
	CONSTRAINT "journey_reply_chunks_reply_fkey" FOREIGN KEY ("session_id","user_id") REFERENCES "journey_replies"("session_id","user_id") ON DELETE cascade ON UPDATE cascade
);
--> statement-breakpoint
ALTER TABLE "journey_reply_chunks" ENABLE ROW LEVEL SECURITY;
