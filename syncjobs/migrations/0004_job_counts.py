"""Counts of jobs that are exact at any size: statement triggers append deltas, `counters.fold()` adds them up.

The table of counts has several grains (see counters.Grain); what a grain doesn't tell apart is -1 or -infinity, and a
time that a job doesn't have is infinity. Names of bands are counted too, so that a search needn't read all jobs for them.
"""

from django.db import migrations

from syncjobs.counters import folding

CREATE = """
CREATE TABLE syncjobs_jobcount (
    grain smallint NOT NULL,
    band_id bigint NOT NULL,
    since timestamptz NOT NULL,
    across timestamptz NOT NULL,
    job_type varchar(20) NOT NULL,
    status varchar(12) NOT NULL,
    n bigint NOT NULL,
    PRIMARY KEY (grain, band_id, since, across, job_type, status) INCLUDE (n)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
CREATE INDEX jobcount_empty ON syncjobs_jobcount (grain) WHERE n = 0;

CREATE TABLE syncjobs_bandnamecount (
    band_name varchar(200) PRIMARY KEY,
    n bigint NOT NULL
);

CREATE TABLE syncjobs_jobdelta (
    band_id bigint NOT NULL,
    band_name varchar(200) NOT NULL,
    hour timestamptz NOT NULL,
    started timestamptz NOT NULL,
    ended timestamptz NOT NULL,
    job_type varchar(20) NOT NULL,
    status varchar(12) NOT NULL,
    n bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

CREATE FUNCTION syncjobs_count_inserted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO syncjobs_jobdelta (band_id, band_name, hour, started, ended, job_type, status, n)
    SELECT COALESCE(band_id, 0), band_name, date_trunc('hour', created_at, 'UTC'),
           COALESCE(date_trunc('hour', started_at, 'UTC'), 'infinity'),
           COALESCE(date_trunc('hour', completed_at, 'UTC'), 'infinity'), job_type, status, count(*)
      FROM new_jobs GROUP BY 1, 2, 3, 4, 5, 6, 7;
    RETURN NULL;
END $$;

CREATE FUNCTION syncjobs_count_deleted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO syncjobs_jobdelta (band_id, band_name, hour, started, ended, job_type, status, n)
    SELECT COALESCE(band_id, 0), band_name, date_trunc('hour', created_at, 'UTC'),
           COALESCE(date_trunc('hour', started_at, 'UTC'), 'infinity'),
           COALESCE(date_trunc('hour', completed_at, 'UTC'), 'infinity'), job_type, status, -count(*)
      FROM old_jobs GROUP BY 1, 2, 3, 4, 5, 6, 7;
    RETURN NULL;
END $$;

CREATE FUNCTION syncjobs_count_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO syncjobs_jobdelta (band_id, band_name, hour, started, ended, job_type, status, n)
    SELECT band, band_name, date_trunc('hour', created_at, 'UTC'),
           COALESCE(date_trunc('hour', started_at, 'UTC'), 'infinity'),
           COALESCE(date_trunc('hour', completed_at, 'UTC'), 'infinity'), job_type, status, sum(n)
      FROM (SELECT COALESCE(band_id, 0) AS band, band_name, created_at, started_at, completed_at, job_type, status, -1 AS n
              FROM old_jobs
            UNION ALL
            SELECT COALESCE(band_id, 0), band_name, created_at, started_at, completed_at, job_type, status, 1
              FROM new_jobs) AS changed
     GROUP BY 1, 2, 3, 4, 5, 6, 7 HAVING sum(n) <> 0;
    RETURN NULL;
END $$;

CREATE FUNCTION syncjobs_count_truncated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM syncjobs_jobdelta;
    DELETE FROM syncjobs_jobcount;
    DELETE FROM syncjobs_bandnamecount;
    RETURN NULL;
END $$;

CREATE TRIGGER count_inserted AFTER INSERT ON syncjobs_syncjob
    REFERENCING NEW TABLE AS new_jobs FOR EACH STATEMENT EXECUTE FUNCTION syncjobs_count_inserted();
CREATE TRIGGER count_updated AFTER UPDATE ON syncjobs_syncjob
    REFERENCING OLD TABLE AS old_jobs NEW TABLE AS new_jobs FOR EACH STATEMENT EXECUTE FUNCTION syncjobs_count_updated();
CREATE TRIGGER count_deleted AFTER DELETE ON syncjobs_syncjob
    REFERENCING OLD TABLE AS old_jobs FOR EACH STATEMENT EXECUTE FUNCTION syncjobs_count_deleted();
CREATE TRIGGER count_truncated AFTER TRUNCATE ON syncjobs_syncjob
    FOR EACH STATEMENT EXECUTE FUNCTION syncjobs_count_truncated();
"""
DROP = """
DROP TRIGGER count_inserted ON syncjobs_syncjob;
DROP TRIGGER count_updated ON syncjobs_syncjob;
DROP TRIGGER count_deleted ON syncjobs_syncjob;
DROP TRIGGER count_truncated ON syncjobs_syncjob;
DROP FUNCTION syncjobs_count_inserted, syncjobs_count_updated, syncjobs_count_deleted, syncjobs_count_truncated;
DROP TABLE syncjobs_jobdelta, syncjobs_jobcount, syncjobs_bandnamecount;
"""


def count_what_there_is(apps, schema_editor):
    """Creating the triggers has locked the table against writes until this has committed."""
    schema_editor.execute(folding.JOBS_ANEW)
    schema_editor.execute(folding.NAMES_ANEW)


class Migration(migrations.Migration):
    dependencies = [("syncjobs", "0003_default_schedules")]
    operations = [
        migrations.RunSQL(CREATE, DROP),
        migrations.RunPython(count_what_there_is, migrations.RunPython.noop),
    ]
