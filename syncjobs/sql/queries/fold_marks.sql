-- Move the deltas of what jobs are marked by into the counts.
WITH taken AS (
    DELETE FROM syncjobs_jobmarkdelta RETURNING *
), labels AS (
    INSERT INTO syncjobs_joblabelcount (kind, label, with_errors, job_type, status, n)
    SELECT kind, label, with_errors, job_type, status, sum(n)
      FROM taken, LATERAL (VALUES ('name', band_name), ('by', requester)) AS l (kind, label)
     WHERE label <> '' GROUP BY 1, 2, 3, 4, 5 HAVING sum(n) <> 0
    ON CONFLICT (kind, label, with_errors, job_type, status) DO UPDATE SET n = syncjobs_joblabelcount.n + EXCLUDED.n
), cell AS (
    SELECT band_id, hour, started, ended, job_type, status, sum(n) AS n
      FROM taken WHERE with_errors GROUP BY 1, 2, 3, 4, 5, 6 HAVING sum(n) <> 0
)
INSERT INTO syncjobs_jobcount (grain, band_id, since, across, job_type, status, n)
SELECT g.grain + 100, g.band_id, g.since, g.across, job_type, status, sum(n)
  FROM cell, syncjobs_grains_v1(cell.band_id, hour, started, ended) AS g
 GROUP BY 1, 2, 3, 4, 5, 6 HAVING sum(n) <> 0
ON CONFLICT (grain, band_id, since, across, job_type, status) DO UPDATE SET n = syncjobs_jobcount.n + EXCLUDED.n
