"""What error groups and the search of errors need: which bands and jobs a group has met, exact at any number of errors.

Triggers append deltas of the groups' counts, `counters.fold()` adds them up. Errors know when their job was created (a
trigger writes it), so that the newest jobs of a group are found in an index.
"""

import django.contrib.postgres.operations as postgres
import django.db.models as models
from django.db import migrations, transaction

from syncjobs.counters import errors as groups

CREATE = """
CREATE TABLE syncjobs_errorbandcount (
    group_id varchar(16) NOT NULL,
    band_id bigint NOT NULL,
    n bigint NOT NULL,
    PRIMARY KEY (group_id, band_id) INCLUDE (n)
);
CREATE INDEX errorbandcount_empty ON syncjobs_errorbandcount (group_id) WHERE n = 0;

CREATE TABLE syncjobs_errordelta (
    group_id varchar(16) NOT NULL,
    band_id bigint NOT NULL,
    errors bigint NOT NULL,
    jobs bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

CREATE FUNCTION syncjobs_date_error() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT created_at INTO NEW.job_created_at FROM syncjobs_syncjob WHERE id = NEW.job_id;
    RETURN NEW;
END $$;

CREATE FUNCTION syncjobs_redate_errors() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE syncjobs_joberror SET job_created_at = NEW.created_at WHERE job_id = NEW.id;
    RETURN NULL;
END $$;

-- A job is new to a group when all of its errors there are of this statement.
CREATE FUNCTION syncjobs_errors_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO syncjobs_errordelta (group_id, band_id, errors, jobs)
    SELECT group_id, band, sum(errors), sum(jobs)
      FROM (SELECT group_id, COALESCE(band_id, 0) AS band, 1 AS errors, 0 AS jobs FROM new_errors
            UNION ALL
            SELECT group_id, 0, 0, 1
              FROM (SELECT group_id, job_created_at, job_id, count(*) AS n FROM new_errors GROUP BY 1, 2, 3) AS pair
             WHERE n = (SELECT count(*) FROM syncjobs_joberror e WHERE e.group_id = pair.group_id
                           AND e.job_created_at = pair.job_created_at AND e.job_id = pair.job_id)) AS changed
     GROUP BY 1, 2;
    RETURN NULL;
END $$;

CREATE FUNCTION syncjobs_errors_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO syncjobs_errordelta (group_id, band_id, errors, jobs)
    SELECT group_id, band, -sum(errors), -sum(jobs)
      FROM (SELECT group_id, COALESCE(band_id, 0) AS band, 1 AS errors, 0 AS jobs FROM old_errors
            UNION ALL
            SELECT group_id, 0, 0, 1
              FROM (SELECT DISTINCT group_id, job_created_at, job_id FROM old_errors) AS pair
             WHERE NOT EXISTS (SELECT FROM syncjobs_joberror e WHERE e.group_id = pair.group_id
                                  AND e.job_created_at = pair.job_created_at AND e.job_id = pair.job_id)) AS changed
     GROUP BY 1, 2;
    RETURN NULL;
END $$;

CREATE FUNCTION syncjobs_errors_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO syncjobs_errordelta (group_id, band_id, errors, jobs)
    SELECT group_id, band, sum(n), 0
      FROM (SELECT group_id, COALESCE(band_id, 0) AS band, -1 AS n FROM old_errors
            UNION ALL SELECT group_id, COALESCE(band_id, 0), 1 FROM new_errors) AS changed
     GROUP BY 1, 2 HAVING sum(n) <> 0;
    RETURN NULL;
END $$;

CREATE FUNCTION syncjobs_errors_truncated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM syncjobs_errordelta;
    DELETE FROM syncjobs_errorbandcount;
    UPDATE syncjobs_errorgroup SET count = 0, job_count = 0, band_count = 0 WHERE count > 0;
    RETURN NULL;
END $$;

CREATE FUNCTION syncjobs_group_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM syncjobs_errordelta WHERE group_id = OLD.fingerprint;
    DELETE FROM syncjobs_errorbandcount WHERE group_id = OLD.fingerprint;
    RETURN NULL;
END $$;

CREATE TRIGGER forget_deleted AFTER DELETE ON syncjobs_errorgroup
    FOR EACH ROW EXECUTE FUNCTION syncjobs_group_deleted();
CREATE TRIGGER date_error BEFORE INSERT ON syncjobs_joberror
    FOR EACH ROW EXECUTE FUNCTION syncjobs_date_error();
CREATE TRIGGER redate_errors AFTER UPDATE OF created_at ON syncjobs_syncjob
    FOR EACH ROW WHEN (OLD.created_at IS DISTINCT FROM NEW.created_at) EXECUTE FUNCTION syncjobs_redate_errors();
UPDATE syncjobs_joberror e SET job_created_at = j.created_at FROM syncjobs_syncjob j WHERE j.id = e.job_id;
CREATE TRIGGER count_inserted AFTER INSERT ON syncjobs_joberror
    REFERENCING NEW TABLE AS new_errors FOR EACH STATEMENT EXECUTE FUNCTION syncjobs_errors_inserted();
CREATE TRIGGER count_updated AFTER UPDATE ON syncjobs_joberror
    REFERENCING OLD TABLE AS old_errors NEW TABLE AS new_errors FOR EACH STATEMENT EXECUTE FUNCTION syncjobs_errors_updated();
CREATE TRIGGER count_deleted AFTER DELETE ON syncjobs_joberror
    REFERENCING OLD TABLE AS old_errors FOR EACH STATEMENT EXECUTE FUNCTION syncjobs_errors_deleted();
CREATE TRIGGER count_truncated AFTER TRUNCATE ON syncjobs_joberror
    FOR EACH STATEMENT EXECUTE FUNCTION syncjobs_errors_truncated();

"""
DROP = """
DROP TRIGGER forget_deleted ON syncjobs_errorgroup;
DROP TRIGGER date_error ON syncjobs_joberror;
DROP TRIGGER redate_errors ON syncjobs_syncjob;
DROP TRIGGER count_inserted ON syncjobs_joberror;
DROP TRIGGER count_updated ON syncjobs_joberror;
DROP TRIGGER count_deleted ON syncjobs_joberror;
DROP TRIGGER count_truncated ON syncjobs_joberror;
DROP FUNCTION syncjobs_date_error, syncjobs_redate_errors, syncjobs_errors_inserted, syncjobs_errors_updated,
    syncjobs_errors_deleted, syncjobs_errors_truncated, syncjobs_group_deleted;
UPDATE syncjobs_errorgroup g SET count = g.count + d.errors
  FROM (SELECT group_id, sum(errors) AS errors FROM syncjobs_errordelta GROUP BY 1) AS d WHERE d.group_id = g.fingerprint;
DROP TABLE syncjobs_errordelta, syncjobs_errorbandcount;
"""


def count_what_there_is(apps, schema_editor):
    with transaction.atomic():
        schema_editor.execute("LOCK TABLE syncjobs_joberror IN SHARE ROW EXCLUSIVE MODE")
        schema_editor.execute("DELETE FROM syncjobs_errordelta")
        for statement in groups.ANEW:
            schema_editor.execute(statement)


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("syncjobs", "0005_list_indexes")]
    operations = [
        migrations.AddField("errorgroup", "job_count", models.PositiveBigIntegerField(default=0)),
        migrations.AddField("errorgroup", "band_count", models.PositiveBigIntegerField(default=0)),
        migrations.AddField("joberror", "job_created_at", models.DateTimeField(null=True, editable=False)),
        migrations.RunSQL("BEGIN; " + CREATE + " COMMIT;", "BEGIN; " + DROP + " COMMIT;"),
        migrations.RunPython(count_what_there_is, migrations.RunPython.noop),
        postgres.AddIndexConcurrently(
            "joberror", models.Index(fields=["group", "job_created_at", "job"], name="error_group_job")
        ),
        postgres.AddIndexConcurrently(
            "joberror", models.Index(fields=["group", "-created_at"], include=["job", "band"], name="error_group_newest")
        ),
        postgres.RemoveIndexConcurrently("joberror", "error_group_recent"),
    ]
