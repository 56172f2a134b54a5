-- Every statement that changes jobs also appends deltas of what fewer figures need: whether jobs have errors, who requested
-- them, and the name of their band. counters.fold() adds them to the counts. A table of its own, so that the fold of a
-- release that doesn't know them leaves them alone.

CREATE OR REPLACE FUNCTION syncjobs_mark_inserted_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO syncjobs_jobmarkdelta (band_id, band_name, requester, with_errors, hour, started, ended, job_type, status, n)
    SELECT COALESCE(band_id, 0), band_name, requested_by_label, error_count > 0, date_trunc('hour', created_at, 'UTC'),
           COALESCE(date_trunc('hour', started_at, 'UTC'), 'infinity'),
           COALESCE(date_trunc('hour', completed_at, 'UTC'), 'infinity'), job_type, status, count(*)
      FROM new_jobs GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION syncjobs_mark_deleted_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO syncjobs_jobmarkdelta (band_id, band_name, requester, with_errors, hour, started, ended, job_type, status, n)
    SELECT COALESCE(band_id, 0), band_name, requested_by_label, error_count > 0, date_trunc('hour', created_at, 'UTC'),
           COALESCE(date_trunc('hour', started_at, 'UTC'), 'infinity'),
           COALESCE(date_trunc('hour', completed_at, 'UTC'), 'infinity'), job_type, status, -count(*)
      FROM old_jobs GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION syncjobs_mark_updated_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO syncjobs_jobmarkdelta (band_id, band_name, requester, with_errors, hour, started, ended, job_type, status, n)
    SELECT band, band_name, requested_by_label, with_errors, date_trunc('hour', created_at, 'UTC'),
           COALESCE(date_trunc('hour', started_at, 'UTC'), 'infinity'),
           COALESCE(date_trunc('hour', completed_at, 'UTC'), 'infinity'), job_type, status, sum(n)
      FROM (SELECT COALESCE(band_id, 0) AS band, band_name, requested_by_label, error_count > 0 AS with_errors, created_at,
                   started_at, completed_at, job_type, status, -1 AS n
              FROM old_jobs
            UNION ALL
            SELECT COALESCE(band_id, 0), band_name, requested_by_label, error_count > 0, created_at,
                   started_at, completed_at, job_type, status, 1
              FROM new_jobs) AS changed
     GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9 HAVING sum(n) <> 0;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION syncjobs_mark_truncated_v1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM syncjobs_jobmarkdelta;
    DELETE FROM syncjobs_joblabelcount;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER mark_inserted AFTER INSERT ON syncjobs_syncjob
    REFERENCING NEW TABLE AS new_jobs FOR EACH STATEMENT EXECUTE FUNCTION syncjobs_mark_inserted_v1();
CREATE OR REPLACE TRIGGER mark_updated AFTER UPDATE ON syncjobs_syncjob
    REFERENCING OLD TABLE AS old_jobs NEW TABLE AS new_jobs FOR EACH STATEMENT EXECUTE FUNCTION syncjobs_mark_updated_v1();
CREATE OR REPLACE TRIGGER mark_deleted AFTER DELETE ON syncjobs_syncjob
    REFERENCING OLD TABLE AS old_jobs FOR EACH STATEMENT EXECUTE FUNCTION syncjobs_mark_deleted_v1();
CREATE OR REPLACE TRIGGER mark_truncated AFTER TRUNCATE ON syncjobs_syncjob
    FOR EACH STATEMENT EXECUTE FUNCTION syncjobs_mark_truncated_v1();

-- What the counts of jobs with errors should be. Their grains are those of all jobs plus 100.
CREATE OR REPLACE FUNCTION syncjobs_true_error_counts_v1(
    OUT grain smallint, OUT band_id bigint, OUT since timestamptz, OUT across timestamptz,
    OUT job_type varchar, OUT status varchar, OUT n bigint
) RETURNS SETOF record LANGUAGE sql STABLE AS $$
    SELECT (g.grain + 100)::smallint, g.band_id, g.since, g.across, c.job_type, c.status, sum(c.n)::bigint
      FROM (SELECT COALESCE(j.band_id, 0) AS band_id, date_trunc('hour', created_at, 'UTC') AS created,
                   COALESCE(date_trunc('hour', started_at, 'UTC'), 'infinity') AS started,
                   COALESCE(date_trunc('hour', completed_at, 'UTC'), 'infinity') AS ended,
                   j.job_type, j.status, count(*) AS n
              FROM syncjobs_syncjob AS j WHERE error_count > 0 GROUP BY 1, 2, 3, 4, 5, 6) AS c,
           syncjobs_grains_v1(c.band_id, c.created, c.started, c.ended) AS g
     GROUP BY 1, 2, 3, 4, 5, 6
$$;

-- What the counts by label should be: kind 'name' is a band's name, 'by' who requested the jobs.
CREATE OR REPLACE FUNCTION syncjobs_true_label_counts_v1(
    OUT kind varchar, OUT label varchar, OUT with_errors boolean, OUT job_type varchar, OUT status varchar, OUT n bigint
) RETURNS SETOF record LANGUAGE sql STABLE AS $$
    SELECT l.kind, l.label, c.with_errors, c.job_type, c.status, sum(c.n)::bigint
      FROM (SELECT band_name, requested_by_label, error_count > 0 AS with_errors, j.job_type, j.status, count(*) AS n
              FROM syncjobs_syncjob AS j GROUP BY 1, 2, 3, 4, 5) AS c,
           LATERAL (VALUES ('name', c.band_name), ('by', c.requested_by_label)) AS l (kind, label)
     WHERE l.label <> '' GROUP BY 1, 2, 3, 4, 5
$$;

ALTER TABLE syncjobs_jobmarkdelta SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
