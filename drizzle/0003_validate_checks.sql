-- A check that some stored row breaks stays NOT VALID: it holds for new rows, and `journey-db
-- verify` counts the old ones.
DO $$
DECLARE
	name text;
BEGIN
	FOREACH name IN ARRAY ARRAY[
		'journey_sessions_user_id_not_empty',
		'journey_sessions_messages_is_array',
		'journey_sessions_metadata_is_object'
	] LOOP
		BEGIN
			EXECUTE format('ALTER TABLE "journey_sessions" VALIDATE CONSTRAINT %I', name);
		EXCEPTION WHEN check_violation THEN
			NULL;
		END;
	END LOOP;
END
$$;
