-- Supabase's roles, where they exist: row level security does not stop TRUNCATE, so the public roles
-- lose every right, and the secret key's role gets the four that it needs.
DO $$
DECLARE
	role_name text;
BEGIN
	REVOKE ALL ON TABLE "journey_sessions" FROM PUBLIC;
	REVOKE ALL ON FUNCTION "update_journey_sessions_updated_at"() FROM PUBLIC;
	FOREACH role_name IN ARRAY ARRAY['anon', 'authenticated', 'service_role'] LOOP
		IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role_name) THEN
			EXECUTE format('REVOKE ALL ON TABLE "journey_sessions" FROM %I', role_name);
			EXECUTE format('REVOKE ALL ON FUNCTION "update_journey_sessions_updated_at"() FROM %I', role_name);
		END IF;
	END LOOP;
	IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'service_role') THEN
		GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE "journey_sessions" TO service_role;
	END IF;
END
$$;
