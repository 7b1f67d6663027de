-- The owner and the privileges of the sessions. As on the sessions, row level security does not stop
-- TRUNCATE, so Supabase's public roles lose what its default privileges gave them.
DO $$
DECLARE
	role_name text;
	privilege text;
BEGIN
	SELECT relowner::regrole INTO role_name FROM pg_catalog.pg_class WHERE oid = 'journey_sessions'::regclass;
	EXECUTE format('ALTER TABLE "journey_replies" OWNER TO %s', role_name);
	REVOKE ALL ON TABLE "journey_replies" FROM PUBLIC;
	FOREACH role_name IN ARRAY ARRAY['anon', 'authenticated', 'service_role'] LOOP
		IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role_name) THEN
			EXECUTE format('REVOKE ALL ON TABLE "journey_replies" FROM %I', role_name);
		END IF;
	END LOOP;
	FOR role_name, privilege IN
		SELECT grantee::regrole, privilege_type FROM pg_catalog.pg_class, aclexplode(relacl)
		WHERE oid = 'journey_sessions'::regclass AND grantee NOT IN (0, relowner) AND privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
	LOOP
		EXECUTE format('GRANT %s ON TABLE "journey_replies" TO %s', privilege, role_name);
	END LOOP;
END
$$;
--> statement-breakpoint
DO $$
DECLARE
	role_name text;
	privilege text;
BEGIN
	SELECT relowner::regrole INTO role_name FROM pg_catalog.pg_class WHERE oid = 'journey_sessions'::regclass;
	EXECUTE format('ALTER TABLE "journey_reply_chunks" OWNER TO %s', role_name);
	REVOKE ALL ON TABLE "journey_reply_chunks" FROM PUBLIC;
	FOREACH role_name IN ARRAY ARRAY['anon', 'authenticated', 'service_role'] LOOP
		IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role_name) THEN
			EXECUTE format('REVOKE ALL ON TABLE "journey_reply_chunks" FROM %I', role_name);
		END IF;
	END LOOP;
	FOR role_name, privilege IN
		SELECT grantee::regrole, privilege_type FROM pg_catalog.pg_class, aclexplode(relacl)
		WHERE oid = 'journey_sessions'::regclass AND grantee NOT IN (0, relowner) AND privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
	LOOP
		EXECUTE format('GRANT %s ON TABLE "journey_reply_chunks" TO %s', privilege, role_name);
	END LOOP;
END
$$;
