-- What the forecast of the quota is made of: what it is for, its name, the units, and an average.
--
-- "active": the units that active jobs of a type still need by their estimates, the number of those without an estimate, and
-- the average of the newest completed jobs of the type, if any has none. The estimate of an active parent includes its children:
-- it still needs it, but for what it has used, and of the estimate of each child what that has used or will not use any more.
-- What a child uses beyond its own estimate was never part of the parent's.
-- Queued jobs of paused bands need nothing until somebody resumes the bands, and delayed ones nothing before their time.
-- "schedule": the average of a schedule's last runs, with all their jobs, by the label of its jobs.
WITH active AS (
    SELECT job_type, count(*) FILTER (WHERE quota_estimated IS NULL) AS without,
           coalesce(sum(greatest(quota_estimated - quota_used - coalesce(of_children.units, 0), 0)), 0)::bigint AS units
      FROM syncjobs_syncjob AS job
      LEFT JOIN LATERAL (
           SELECT sum(CASE WHEN child.status = 'IN_PROGRESS' OR (child.status = 'QUEUED' AND child.run_at < %(until)s
                             AND (child.band_id IS NULL
                                  OR child.band_id NOT IN (SELECT id FROM bands_band WHERE paused_at IS NOT NULL)))
                           THEN least(child.quota_used, child.quota_estimated)
                           ELSE coalesce(child.quota_estimated, child.quota_used) END) AS units
             FROM syncjobs_syncjob AS child WHERE child.parent_id = job.id) AS of_children ON true
     WHERE status IN ('QUEUED', 'IN_PROGRESS') AND run_at < %(until)s
       AND (parent_id IS NULL
            OR parent_id NOT IN (SELECT id FROM syncjobs_syncjob WHERE status IN ('QUEUED', 'IN_PROGRESS') AND fans_out))
       AND (status = 'IN_PROGRESS' OR band_id IS NULL
            OR band_id NOT IN (SELECT id FROM bands_band WHERE paused_at IS NOT NULL))
     GROUP BY job_type)

SELECT 'active' AS kind, job_type AS name, units, without, average
  FROM active
  LEFT JOIN LATERAL (
       SELECT avg(quota_used)::float8 AS average
         FROM (SELECT quota_used FROM syncjobs_syncjob AS job
                WHERE without > 0 AND job.job_type = active.job_type AND status = 'COMPLETED'
                ORDER BY created_at DESC, id DESC LIMIT %(sample)s) AS newest) AS newest ON true
UNION ALL
SELECT 'schedule', label, 0, 0, avg(job.quota_used + coalesce(of_children.units, 0))::float8
  FROM unnest(%(labels)s::text[]) AS label
 CROSS JOIN LATERAL (
      SELECT id, quota_used FROM syncjobs_syncjob
       WHERE requested_by_label = label AND created_at >= %(since)s AND parent_id IS NULL AND status = ANY (%(ended)s)
       ORDER BY created_at DESC, id DESC LIMIT %(sample)s) AS job
  LEFT JOIN LATERAL (
       SELECT sum(quota_used) AS units FROM syncjobs_syncjob WHERE parent_id = job.id) AS of_children ON true
 GROUP BY label
