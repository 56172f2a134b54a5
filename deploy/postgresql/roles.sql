-- Two roles for the site, and its database. `syncmonitor` owns the tables and runs `migrate`. `syncmonitor_app` is the role
-- of the web servers, the workers and the scheduler: it reads and writes rows, and can change no table.
--
-- Run this with psql as a superuser, once before the first `migrate`; running it again changes only the passwords.
-- The passwords are in the environment: OWNER_PASSWORD and DATABASE_PASSWORD, or the files that OWNER_PASSWORD_FILE and
-- DATABASE_PASSWORD_FILE name.
\set ON_ERROR_STOP on
\set owner_password `printf %s "${OWNER_PASSWORD-$(cat "$OWNER_PASSWORD_FILE")}"`
\set app_password `printf %s "${DATABASE_PASSWORD-$(cat "$DATABASE_PASSWORD_FILE")}"`

SELECT format('CREATE ROLE %I LOGIN', name) FROM unnest(ARRAY['syncmonitor', 'syncmonitor_app']) AS name
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
ALTER ROLE syncmonitor PASSWORD :'owner_password';
ALTER ROLE syncmonitor_app PASSWORD :'app_password';
SELECT 'CREATE DATABASE syncmonitor OWNER syncmonitor ENCODING ''UTF8'' TEMPLATE template0'
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'syncmonitor') \gexec

REVOKE ALL ON DATABASE syncmonitor FROM PUBLIC;
GRANT CONNECT ON DATABASE syncmonitor TO syncmonitor_app;

\connect syncmonitor
ALTER SCHEMA public OWNER TO syncmonitor;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO syncmonitor_app;

-- The tables that exist, and those that `migrate` will create.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO syncmonitor_app;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO syncmonitor_app;
ALTER DEFAULT PRIVILEGES FOR ROLE syncmonitor IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO syncmonitor_app;
ALTER DEFAULT PRIVILEGES FOR ROLE syncmonitor IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO syncmonitor_app;

-- Workers vacuum two small tables that turn over quickly. Before PostgreSQL 17 only the owner could; autovacuum does it there.
SELECT current_setting('server_version_num')::int >= 170000 AS has_maintain \gset
\if :has_maintain
    GRANT MAINTAIN ON ALL TABLES IN SCHEMA public TO syncmonitor_app;
    ALTER DEFAULT PRIVILEGES FOR ROLE syncmonitor IN SCHEMA public GRANT MAINTAIN ON TABLES TO syncmonitor_app;
\endif
