-- Serves list with orderBy "updated". Not in the column layout, where an append without it is a HOT
-- update; with message rows it adds 0.3 kB to what an append writes.
CREATE INDEX IF NOT EXISTS "idx_journey_sessions_user_id_updated_at_id" ON "journey_sessions" USING btree ("user_id","updated_at","id");
