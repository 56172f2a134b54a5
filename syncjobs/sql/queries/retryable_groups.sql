-- Those of the groups of which a failed job can be retried, as operations.errors.unretried_jobs defines it. Parameters: groups,
-- sampled: only so many of the newest errors of each are read, so that a group with millions is as quick as a small one.
SELECT fingerprint
  FROM unnest(%(groups)s::text[]) AS known (fingerprint),
       LATERAL (SELECT FROM (SELECT job_id, will_retry FROM syncjobs_joberror AS e
                              WHERE e.group_id = fingerprint ORDER BY created_at DESC LIMIT %(sampled)s) AS newest
                  JOIN syncjobs_syncjob AS job ON job.id = job_id
                 WHERE NOT will_retry AND job.status = 'FAILED' AND job.covered_by_id IS NULL
                   AND NOT EXISTS (SELECT FROM syncjobs_syncjob AS again WHERE again.retry_of_id = job.id)
                 LIMIT 1) AS found
