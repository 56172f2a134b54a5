-- Entries of the audit can be added, but nobody can change or delete them.

CREATE OR REPLACE FUNCTION syncjobs_audit_is_append_only_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE OR REPLACE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE ON syncjobs_auditentry
    FOR EACH ROW EXECUTE FUNCTION syncjobs_audit_is_append_only_v1();

DROP FUNCTION IF EXISTS syncjobs_audit_is_append_only_v2;
