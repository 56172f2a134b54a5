-- Move the deltas of error groups into their counts. Parameters: groups, which the caller has locked.
WITH taken AS (
    DELETE FROM syncjobs_errordelta WHERE group_id = ANY(%(groups)s) RETURNING *
), bands AS (
    INSERT INTO syncjobs_errorbandcount (group_id, band_id, n)
    SELECT group_id, band_id, sum(errors) FROM taken WHERE band_id <> 0 GROUP BY 1, 2 HAVING sum(errors) <> 0
    ON CONFLICT (group_id, band_id) DO UPDATE SET n = syncjobs_errorbandcount.n + EXCLUDED.n
), change AS (
    SELECT group_id, sum(errors) AS errors, sum(jobs) AS jobs FROM taken GROUP BY group_id
)
UPDATE syncjobs_errorgroup SET count = count + change.errors, job_count = job_count + change.jobs
  FROM change WHERE fingerprint = change.group_id
