-- Move the deltas of jobs into the counts.
WITH taken AS (
    DELETE FROM syncjobs_jobdelta RETURNING *
), names AS (
    INSERT INTO syncjobs_bandnamecount (band_name, n)
    SELECT band_name, sum(n) FROM taken WHERE band_name <> '' GROUP BY band_name HAVING sum(n) <> 0
    ON CONFLICT (band_name) DO UPDATE SET n = syncjobs_bandnamecount.n + EXCLUDED.n
), cell AS (
    SELECT band_id, hour, started, ended, job_type, status, sum(n) AS n
      FROM taken GROUP BY 1, 2, 3, 4, 5, 6 HAVING sum(n) <> 0
)
INSERT INTO syncjobs_jobcount (grain, band_id, since, across, job_type, status, n)
SELECT g.grain, g.band_id, g.since, g.across, job_type, status, sum(n)
  FROM cell, syncjobs_grains_v1(cell.band_id, hour, started, ended) AS g
 GROUP BY 1, 2, 3, 4, 5, 6 HAVING sum(n) <> 0
ON CONFLICT (grain, band_id, since, across, job_type, status) DO UPDATE SET n = syncjobs_jobcount.n + EXCLUDED.n
