-- Entries of the audit can be added, but nobody can change or delete them. Only the cleanup may delete old ones: it says in
-- its own transaction for how many days they are kept, and younger ones stay whatever it does.

CREATE OR REPLACE FUNCTION syncjobs_audit_is_append_only_v2() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    keep_days integer := nullif(current_setting('syncmonitor.audit_keep_days', true), '');
BEGIN
    IF TG_OP = 'DELETE' AND keep_days > 0 AND OLD.at < now() - make_interval(days => keep_days) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the audit is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE OR REPLACE TRIGGER audit_is_append_only BEFORE DELETE OR UPDATE ON syncjobs_auditentry
    FOR EACH ROW EXECUTE FUNCTION syncjobs_audit_is_append_only_v2();
