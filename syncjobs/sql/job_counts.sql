-- Every statement that changes jobs appends deltas; counters.fold() adds them to the counts. Writers never wait for
-- each other, because nobody updates a shared counter. A time that a job doesn't have is infinity, no band is 0.

CREATE OR REPLACE FUNCTION syncjobs_count_inserted_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO syncjobs_jobdelta (band_id, band_name, hour, started, ended, job_type, status, n)
    SELECT COALESCE(band_id, 0), band_name, date_trunc('hour', created_at, 'UTC'),
           COALESCE(date_trunc('hour', started_at, 'UTC'), 'infinity'),
           COALESCE(date_trunc('hour', completed_at, 'UTC'), 'infinity'), job_type, status, count(*)
      FROM new_jobs GROUP BY 1, 2, 3, 4, 5, 6, 7;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION syncjobs_count_deleted_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO syncjobs_jobdelta (band_id, band_name, hour, started, ended, job_type, status, n)
    SELECT COALESCE(band_id, 0), band_name, date_trunc('hour', created_at, 'UTC'),
           COALESCE(date_trunc('hour', started_at, 'UTC'), 'infinity'),
           COALESCE(date_trunc('hour', completed_at, 'UTC'), 'infinity'), job_type, status, -count(*)
      FROM old_jobs GROUP BY 1, 2, 3, 4, 5, 6, 7;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION syncjobs_count_updated_v1() RETURNS trigger LANGUAGE plpgsql AS $$
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

CREATE OR REPLACE FUNCTION syncjobs_count_truncated_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM syncjobs_jobdelta;
    DELETE FROM syncjobs_jobcount;
    DELETE FROM syncjobs_bandnamecount;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER count_inserted AFTER INSERT ON syncjobs_syncjob
    REFERENCING NEW TABLE AS new_jobs FOR EACH STATEMENT EXECUTE FUNCTION syncjobs_count_inserted_v1();
CREATE OR REPLACE TRIGGER count_updated AFTER UPDATE ON syncjobs_syncjob
    REFERENCING OLD TABLE AS old_jobs NEW TABLE AS new_jobs FOR EACH STATEMENT EXECUTE FUNCTION syncjobs_count_updated_v1();
CREATE OR REPLACE TRIGGER count_deleted AFTER DELETE ON syncjobs_syncjob
    REFERENCING OLD TABLE AS old_jobs FOR EACH STATEMENT EXECUTE FUNCTION syncjobs_count_deleted_v1();
CREATE OR REPLACE TRIGGER count_truncated AFTER TRUNCATE ON syncjobs_syncjob
    FOR EACH STATEMENT EXECUTE FUNCTION syncjobs_count_truncated_v1();
