-- lz4 compresses a conversation several times faster than pglz. Not every server is built with it.
DO $$
BEGIN
	ALTER TABLE "journey_sessions" ALTER COLUMN "messages" SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
	NULL;
END
$$;
