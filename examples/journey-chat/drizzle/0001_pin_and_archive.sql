ALTER TABLE "journey_sessions" ADD COLUMN "pinned" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "journey_sessions" ADD COLUMN "archived" boolean DEFAULT false NOT NULL;--> statement-breakpoint
CREATE INDEX "journey_sessions_user_id_archived_pinned" ON "journey_sessions" USING btree ("user_id","archived","pinned","created_at","id");