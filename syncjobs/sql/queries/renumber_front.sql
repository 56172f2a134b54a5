-- Give the jobs in front of a queue the priorities from urgent + 1 on, in the order that they have. Parameters: queue, urgent.
WITH in_front AS MATERIALIZED (
    SELECT id, priority FROM syncjobs_syncjob
     WHERE queue = %(queue)s AND status = 'QUEUED' AND priority > %(urgent)s
       FOR NO KEY UPDATE SKIP LOCKED
), placed AS (
    SELECT id, %(urgent)s + dense_rank() OVER (ORDER BY priority) AS place FROM in_front
)
UPDATE syncjobs_syncjob AS job SET priority = place FROM placed WHERE job.id = placed.id AND job.priority <> place
