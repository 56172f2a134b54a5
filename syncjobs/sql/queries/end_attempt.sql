-- End a running attempt. Return its duration in seconds and its job's figures for the log, or no row if it has ended already.
WITH ended AS (
    UPDATE syncjobs_attempt
       SET outcome = %(outcome)s, ended_at = statement_timestamp(), error = %(error)s, error_reason = %(reason)s,
           traceback = %(traceback)s
     WHERE id = %(attempt)s AND outcome = 'RUNNING'
    RETURNING job_id, extract(epoch FROM ended_at - started_at)::float8 AS seconds
)
SELECT seconds, videos_found, videos_added, videos_updated, videos_unavailable, error_count, quota_used
  FROM ended JOIN syncjobs_syncjob AS job ON job.id = job_id
