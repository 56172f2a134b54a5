-- By queue, how many of some jobs and their children are queued, and how many of these are of paused bands.
-- If `is_retry`, the jobs themselves count alone, in whatever state: they are to be retried.
SELECT queue, count(*), count(*) FILTER (WHERE band_id IN (SELECT id FROM bands_band WHERE paused_at IS NOT NULL))
  FROM syncjobs_syncjob
 WHERE (id = ANY (%(jobs)s::bigint[]) AND (%(is_retry)s OR status = 'QUEUED'))
    OR (NOT %(is_retry)s AND status = 'QUEUED' AND parent_id = ANY (%(jobs)s::bigint[]))
 GROUP BY queue
