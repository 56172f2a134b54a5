-- Claim the best runnable job of a queue and start an attempt. Return the attempt's id, or no row if there is no such job.
--
-- The caller has locked the queue's row in a statement of its own, so this one sees all earlier claims, and has found the
-- queue not paused. SKIP LOCKED passes over a job that somebody is cancelling right now.
--
-- A paused band is looked up in every claim. The subquery is hashed once, so that thousands of its jobs in front cost little.
--
-- The condition and the order of `best` exist a second time in models/querysets.py, as runnable() and in_claim_order(),
-- for counts and lists. Here they are part of one statement that claims. Change both.
WITH best AS MATERIALIZED (
    SELECT id FROM syncjobs_syncjob
     WHERE queue = %(queue)s AND status = 'QUEUED' AND run_at <= statement_timestamp()
       AND (band_id IS NULL OR band_id NOT IN (SELECT id FROM bands_band WHERE paused_at IS NOT NULL))
     ORDER BY priority DESC, id LIMIT 1
       FOR NO KEY UPDATE SKIP LOCKED
), claimed AS (
    UPDATE syncjobs_syncjob AS job
       SET status = 'IN_PROGRESS', attempts_made = attempts_made + 1, delay_reason = '', release_requested_at = NULL,
           started_at = coalesce(started_at, statement_timestamp())
      FROM best WHERE job.id = best.id
    RETURNING job.id, attempts_made
), started AS (
    INSERT INTO syncjobs_jobevent (job_id, attempt_number, kind, message, data)
    SELECT id, attempts_made, 'STARTED', %(worker)s, '{}' FROM claimed
)
INSERT INTO syncjobs_attempt (job_id, number, outcome, worker, process_id, task_id, lease_expires_at,
                              error, error_reason, traceback)
SELECT id, attempts_made, 'RUNNING', %(worker)s, %(process_id)s, %(task_id)s,
       statement_timestamp() + %(lease)s * interval '1 second', '', '', ''
  FROM claimed
RETURNING id
