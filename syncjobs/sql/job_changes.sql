-- Every statement that changes jobs, and every pause, is recorded in its own transaction for live pages.
-- More than 1,000 jobs in one statement are recorded as a single row, 'many'.

CREATE OR REPLACE FUNCTION syncjobs_change_written_v1() RETURNS trigger LANGUAGE plpgsql AS $$
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

-- EXCEPT instead of a join: the plan is cached at the first statement, perhaps one of a single row, and must suit a thousand.
CREATE OR REPLACE FUNCTION syncjobs_change_updated_v1() RETURNS trigger LANGUAGE plpgsql AS $$
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

CREATE OR REPLACE FUNCTION syncjobs_change_truncated_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO syncjobs_jobchange (kind) VALUES ('many');
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION syncjobs_change_queue_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO syncjobs_jobchange (kind, queue, paused) VALUES ('queue', NEW.name, NEW.paused_at IS NOT NULL);
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER change_inserted AFTER INSERT ON syncjobs_syncjob
    REFERENCING NEW TABLE AS jobs FOR EACH STATEMENT EXECUTE FUNCTION syncjobs_change_written_v1();
CREATE OR REPLACE TRIGGER change_updated AFTER UPDATE ON syncjobs_syncjob
    REFERENCING OLD TABLE AS old_jobs NEW TABLE AS new_jobs FOR EACH STATEMENT EXECUTE FUNCTION syncjobs_change_updated_v1();
CREATE OR REPLACE TRIGGER change_deleted AFTER DELETE ON syncjobs_syncjob
    REFERENCING OLD TABLE AS jobs FOR EACH STATEMENT EXECUTE FUNCTION syncjobs_change_written_v1();
CREATE OR REPLACE TRIGGER change_truncated AFTER TRUNCATE ON syncjobs_syncjob
    FOR EACH STATEMENT EXECUTE FUNCTION syncjobs_change_truncated_v1();
CREATE OR REPLACE TRIGGER change_paused AFTER UPDATE ON syncjobs_queue FOR EACH ROW
    WHEN (OLD.paused_at IS DISTINCT FROM NEW.paused_at) EXECUTE FUNCTION syncjobs_change_queue_v1();
