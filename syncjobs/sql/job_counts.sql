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
