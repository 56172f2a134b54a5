"""What changed about jobs and queues, in the order of commits, for whoever watches: see syncjobs/feed.py.

Statement triggers write it in the transaction of the change. `xact` is that transaction: unlike an id, it tells by a
snapshot whether a row could be seen at some moment, so that transactions that commit out of order are never missed.
"""

from django.db import migrations

CREATE = """
CREATE TABLE syncjobs_jobchange (
    xact xid8 NOT NULL DEFAULT pg_current_xact_id(),
    id bigint GENERATED ALWAYS AS IDENTITY,
    kind varchar(5) NOT NULL CHECK (kind IN ('job', 'queue', 'many')),
    job_id bigint,
    status varchar(12),
    job_type varchar(20),
    queue varchar(40),
    band_id bigint,
    parent_id bigint,
    progress_done integer,
    progress_total integer,
    videos_found integer,
    videos_added integer,
    videos_updated integer,
    deleted boolean NOT NULL DEFAULT false,
    paused boolean,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (xact, id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_insert_scale_factor = 0,
        autovacuum_vacuum_insert_threshold = 50000, autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 5000);

-- The newest transaction whose changes have been purged: who has not seen all up to it has missed some.
CREATE TABLE syncjobs_jobchangehorizon (xact xid8 NOT NULL);
INSERT INTO syncjobs_jobchangehorizon VALUES ('0');

CREATE FUNCTION syncjobs_change_written() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM jobs OFFSET 1000) THEN
        INSERT INTO syncjobs_jobchange (kind) VALUES ('many');
        RETURN NULL;
    END IF;
    INSERT INTO syncjobs_jobchange (kind, job_id, status, job_type, queue, band_id, parent_id, progress_done, progress_total,
                                    videos_found, videos_added, videos_updated, deleted)
    SELECT 'job', id, status, job_type, queue, band_id, parent_id, progress_done, progress_total,
           videos_found, videos_added, videos_updated, TG_OP = 'DELETE'
      FROM jobs;
    RETURN NULL;
END $$;

-- EXCEPT rather than a join: its plan is kept from the first statement, of one row maybe, and must suit a thousand.
CREATE FUNCTION syncjobs_change_updated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM new_jobs OFFSET 1000) THEN
        INSERT INTO syncjobs_jobchange (kind) VALUES ('many');
        RETURN NULL;
    END IF;
    INSERT INTO syncjobs_jobchange (kind, job_id, status, job_type, queue, band_id, parent_id, progress_done, progress_total,
                                    videos_found, videos_added, videos_updated)
    SELECT 'job', id, status, job_type, queue, band_id, parent_id, progress_done, progress_total,
           videos_found, videos_added, videos_updated
      FROM (SELECT id, status, job_type, queue, band_id, parent_id, progress_done, progress_total, videos_found,
                   videos_added, videos_updated, videos_unavailable, error_count, priority, run_at, cancel_requested_at
              FROM new_jobs
            EXCEPT
            SELECT id, status, job_type, queue, band_id, parent_id, progress_done, progress_total, videos_found,
                   videos_added, videos_updated, videos_unavailable, error_count, priority, run_at, cancel_requested_at
              FROM old_jobs) AS changed;
    RETURN NULL;
END $$;

CREATE FUNCTION syncjobs_change_truncated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO syncjobs_jobchange (kind) VALUES ('many');
    RETURN NULL;
END $$;

CREATE FUNCTION syncjobs_change_queue() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO syncjobs_jobchange (kind, queue, paused) VALUES ('queue', NEW.name, NEW.paused_at IS NOT NULL);
    RETURN NULL;
END $$;

CREATE TRIGGER change_inserted AFTER INSERT ON syncjobs_syncjob
    REFERENCING NEW TABLE AS jobs FOR EACH STATEMENT EXECUTE FUNCTION syncjobs_change_written();
CREATE TRIGGER change_updated AFTER UPDATE ON syncjobs_syncjob
    REFERENCING OLD TABLE AS old_jobs NEW TABLE AS new_jobs FOR EACH STATEMENT EXECUTE FUNCTION syncjobs_change_updated();
CREATE TRIGGER change_deleted AFTER DELETE ON syncjobs_syncjob
    REFERENCING OLD TABLE AS jobs FOR EACH STATEMENT EXECUTE FUNCTION syncjobs_change_written();
CREATE TRIGGER change_truncated AFTER TRUNCATE ON syncjobs_syncjob
    FOR EACH STATEMENT EXECUTE FUNCTION syncjobs_change_truncated();
CREATE TRIGGER change_paused AFTER UPDATE ON syncjobs_queue FOR EACH ROW
    WHEN (OLD.paused_at IS DISTINCT FROM NEW.paused_at) EXECUTE FUNCTION syncjobs_change_queue();
"""
DROP = """
DROP TRIGGER change_inserted ON syncjobs_syncjob;
DROP TRIGGER change_updated ON syncjobs_syncjob;
DROP TRIGGER change_deleted ON syncjobs_syncjob;
DROP TRIGGER change_truncated ON syncjobs_syncjob;
DROP TRIGGER change_paused ON syncjobs_queue;
DROP FUNCTION syncjobs_change_written, syncjobs_change_updated, syncjobs_change_truncated, syncjobs_change_queue;
DROP TABLE syncjobs_jobchange, syncjobs_jobchangehorizon;
"""


class Migration(migrations.Migration):
    dependencies = [("syncjobs", "0008_filter_presets")]
    operations = [migrations.RunSQL(CREATE, DROP)]
