-- By queue, how many of some jobs are queued there, or will be if they are retried, and how many of these are of paused bands.
-- `family`: the jobs themselves if they are queued, and their queued children. `retried`: jobs to retry, in whatever state.
SELECT queue, count(*), count(*) FILTER (WHERE band_id IN (SELECT id FROM bands_band WHERE paused_at IS NOT NULL))
  FROM syncjobs_syncjob
 WHERE id = ANY (%(retried)s::bigint[]) OR (status = 'QUEUED' AND (id = ANY (%(family)s::bigint[]) OR parent_id = ANY (%(family)s::bigint[])))
 GROUP BY queue
