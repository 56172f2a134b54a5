-- Frozen copy of sql/*.sql as of this migration.

-- Entries of the audit can be added, but nobody can change or delete them.

CREATE OR REPLACE FUNCTION syncjobs_audit_is_append_only_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE OR REPLACE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE ON syncjobs_auditentry
    FOR EACH ROW EXECUTE FUNCTION syncjobs_audit_is_append_only_v1();

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

-- What each grain of the counts stores for a cell of jobs; counters.Grain explains the grains. -1 stands for all bands
-- and -infinity for a time that the grain ignores. TOTAL and BAND only know whether a job has started and ended.
CREATE OR REPLACE FUNCTION syncjobs_grains_v1(
    cell_band_id bigint, created timestamptz, started timestamptz, ended timestamptz,
    OUT grain smallint, OUT band_id bigint, OUT since timestamptz, OUT across timestamptz
) RETURNS SETOF record LANGUAGE sql STABLE AS $$
    SELECT *
      FROM (VALUES
        (0::smallint, -1::bigint, CASE WHEN isfinite(started) THEN '-infinity' ELSE started END,
                                  CASE WHEN isfinite(ended) THEN '-infinity' ELSE ended END),
        (1, cell_band_id, CASE WHEN isfinite(started) THEN '-infinity' ELSE started END,
                          CASE WHEN isfinite(ended) THEN '-infinity' ELSE ended END),
        (2, -1, date_trunc('day', created, 'UTC'), '-infinity'),
        (3, -1, date_trunc('hour', created, 'UTC'), '-infinity'),
        (4, cell_band_id, date_bin('6 hours', created, '2000-01-01 00:00+00'), '-infinity'),
        (10, -1, date_trunc('day', started, 'UTC'), date_trunc('day', created, 'UTC')),
        (11, -1, started, created),
        (12, -1, created, date_trunc('day', started, 'UTC')),
        (13, cell_band_id, date_bin('6 hours', started, '2000-01-01 00:00+00'),
                           date_bin('6 hours', created, '2000-01-01 00:00+00')),
        (20, -1, date_trunc('day', ended, 'UTC'), date_trunc('day', created, 'UTC')),
        (21, -1, ended, created),
        (22, -1, created, date_trunc('day', ended, 'UTC')),
        (23, cell_band_id, date_bin('6 hours', ended, '2000-01-01 00:00+00'),
                           date_bin('6 hours', created, '2000-01-01 00:00+00'))
      ) AS grains (grain, band_id, since, across)
$$;

-- What the counts should be, from the jobs themselves. Ten million jobs make few cells by band and quarter of a day, and
-- few by hour, but millions by band and hour; so the grains of hours are computed apart.
CREATE OR REPLACE FUNCTION syncjobs_true_counts_v1(
    OUT grain smallint, OUT band_id bigint, OUT since timestamptz, OUT across timestamptz,
    OUT job_type varchar, OUT status varchar, OUT n bigint
) RETURNS SETOF record LANGUAGE sql STABLE AS $$
    WITH by_quarter AS MATERIALIZED (
        SELECT COALESCE(j.band_id, 0) AS band_id, date_bin('6 hours', created_at, '2000-01-01 00:00+00') AS created,
               COALESCE(date_bin('6 hours', started_at, '2000-01-01 00:00+00'), 'infinity') AS started,
               COALESCE(date_bin('6 hours', completed_at, '2000-01-01 00:00+00'), 'infinity') AS ended,
               j.job_type, j.status, count(*) AS n
          FROM syncjobs_syncjob AS j GROUP BY 1, 2, 3, 4, 5, 6
    ), by_hour AS MATERIALIZED (
        SELECT 0::bigint AS band_id, date_trunc('hour', created_at, 'UTC') AS created,
               COALESCE(date_trunc('hour', started_at, 'UTC'), 'infinity') AS started,
               COALESCE(date_trunc('hour', completed_at, 'UTC'), 'infinity') AS ended,
               j.job_type, j.status, count(*) AS n
          FROM syncjobs_syncjob AS j GROUP BY 2, 3, 4, 5, 6
    )
    SELECT g.grain, g.band_id, g.since, g.across, c.job_type, c.status, sum(c.n)::bigint
      FROM by_quarter AS c, syncjobs_grains_v1(c.band_id, c.created, c.started, c.ended) AS g
     WHERE g.grain IN (0, 1, 2, 4, 10, 13, 20, 23) GROUP BY 1, 2, 3, 4, 5, 6
    UNION ALL
    SELECT g.grain, g.band_id, g.since, g.across, c.job_type, c.status, sum(c.n)::bigint
      FROM by_hour AS c, syncjobs_grains_v1(c.band_id, c.created, c.started, c.ended) AS g
     WHERE g.grain IN (3, 11, 12, 21, 22) GROUP BY 1, 2, 3, 4, 5, 6
$$;

-- Every statement that changes errors appends deltas of their groups; counters.fold() adds them to the counts.
-- Errors carry the time their job was created, so that an index finds the newest jobs of a group.

CREATE OR REPLACE FUNCTION syncjobs_date_error_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT created_at INTO NEW.job_created_at FROM syncjobs_syncjob WHERE id = NEW.job_id;
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION syncjobs_redate_errors_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE syncjobs_joberror SET job_created_at = NEW.created_at WHERE job_id = NEW.id;
    RETURN NULL;
END $$;

-- A job is new to a group if this statement inserted all of its errors there.
CREATE OR REPLACE FUNCTION syncjobs_errors_inserted_v1() RETURNS trigger LANGUAGE plpgsql AS $$
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

CREATE OR REPLACE FUNCTION syncjobs_errors_deleted_v1() RETURNS trigger LANGUAGE plpgsql AS $$
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

CREATE OR REPLACE FUNCTION syncjobs_errors_updated_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO syncjobs_errordelta (group_id, band_id, errors, jobs)
    SELECT group_id, band, sum(n), 0
      FROM (SELECT group_id, COALESCE(band_id, 0) AS band, -1 AS n FROM old_errors
            UNION ALL SELECT group_id, COALESCE(band_id, 0), 1 FROM new_errors) AS changed
     GROUP BY 1, 2 HAVING sum(n) <> 0;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION syncjobs_errors_truncated_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM syncjobs_errordelta;
    DELETE FROM syncjobs_errorbandcount;
    UPDATE syncjobs_errorgroup SET count = 0, job_count = 0, band_count = 0 WHERE count > 0;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION syncjobs_group_deleted_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM syncjobs_errordelta WHERE group_id = OLD.fingerprint;
    DELETE FROM syncjobs_errorbandcount WHERE group_id = OLD.fingerprint;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER forget_deleted AFTER DELETE ON syncjobs_errorgroup
    FOR EACH ROW EXECUTE FUNCTION syncjobs_group_deleted_v1();
CREATE OR REPLACE TRIGGER date_error BEFORE INSERT ON syncjobs_joberror
    FOR EACH ROW EXECUTE FUNCTION syncjobs_date_error_v1();
CREATE OR REPLACE TRIGGER redate_errors AFTER UPDATE OF created_at ON syncjobs_syncjob
    FOR EACH ROW WHEN (OLD.created_at IS DISTINCT FROM NEW.created_at) EXECUTE FUNCTION syncjobs_redate_errors_v1();
CREATE OR REPLACE TRIGGER count_inserted AFTER INSERT ON syncjobs_joberror
    REFERENCING NEW TABLE AS new_errors FOR EACH STATEMENT EXECUTE FUNCTION syncjobs_errors_inserted_v1();
CREATE OR REPLACE TRIGGER count_updated AFTER UPDATE ON syncjobs_joberror
    REFERENCING OLD TABLE AS old_errors NEW TABLE AS new_errors FOR EACH STATEMENT EXECUTE FUNCTION syncjobs_errors_updated_v1();
CREATE OR REPLACE TRIGGER count_deleted AFTER DELETE ON syncjobs_joberror
    REFERENCING OLD TABLE AS old_errors FOR EACH STATEMENT EXECUTE FUNCTION syncjobs_errors_deleted_v1();
CREATE OR REPLACE TRIGGER count_truncated AFTER TRUNCATE ON syncjobs_joberror
    FOR EACH STATEMENT EXECUTE FUNCTION syncjobs_errors_truncated_v1();

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
