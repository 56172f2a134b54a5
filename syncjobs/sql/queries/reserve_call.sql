-- Reserve the units of one HTTP attempt of a running job, for the job, the day and the ledger. Return the ledger's id.
--
-- Nothing changes and no row is returned unless the attempt may write and the job should go on (see engine.lease), the day
-- has not ended, and its bucket is open and has units. The job is locked before the day's row, which all workers share.
-- Earlier calls that succeeded are recorded in any case, which saves a transaction for each.
--
-- The conditions exist a second time in Python: write_fenced and check_interrupts in engine/lease.py, and _spend in
-- engine/quota.py, which find out why nothing was reserved. Here they take a single round trip. Change both;
-- tests/engine/test_reserve_twins.py compares them.
WITH job AS MATERIALIZED (
    SELECT FROM syncjobs_syncjob
     WHERE id = %(job)s AND status = 'IN_PROGRESS' AND attempts_made = %(number)s
       AND cancel_requested_at IS NULL AND release_requested_at IS NULL
       AND EXISTS (SELECT FROM syncjobs_attempt
                    WHERE id = %(attempt)s AND outcome = 'RUNNING' AND lease_expires_at > statement_timestamp())
       FOR NO KEY UPDATE
), day AS (
    UPDATE syncjobs_quotaday
       SET used = used + %(units)s, "limit" = %(limit)s, reserved = %(reserved)s
     WHERE bucket = %(bucket)s AND day = %(day)s AND closed_at IS NULL AND probe_at IS NULL
       AND used <= %(usable)s - %(units)s
       AND day = (statement_timestamp() AT TIME ZONE %(zone)s)::date
       AND EXISTS (SELECT FROM job)
    RETURNING id
), charged AS (
    UPDATE syncjobs_syncjob SET quota_used = quota_used + %(units)s
     WHERE id = %(job)s AND EXISTS (SELECT FROM day)
), recorded AS (
    UPDATE syncjobs_quotacall AS call SET http_status = 200, seconds = done.seconds
      FROM unnest(%(calls)s::bigint[], %(seconds)s::float8[]) AS done (id, seconds)
     WHERE call.id = done.id
)
INSERT INTO syncjobs_quotacall (bucket, day, operation, units, job_id, job_type, band_id, is_personal, reason)
SELECT %(bucket)s, %(day)s, %(operation)s, %(units)s, %(job)s, %(job_type)s, %(band)s, %(is_personal)s, '' FROM day
RETURNING id
