"""The audit can only be added to: the database refuses everything else, whoever asks."""

from django.db import migrations

FORBID = """
CREATE FUNCTION syncjobs_audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE ON syncjobs_auditentry
    FOR EACH ROW EXECUTE FUNCTION syncjobs_audit_is_append_only();
"""
ALLOW = """
DROP TRIGGER audit_is_append_only ON syncjobs_auditentry;
DROP FUNCTION syncjobs_audit_is_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("syncjobs", "0001_initial")]
    operations = [migrations.RunSQL(FORBID, ALLOW)]
