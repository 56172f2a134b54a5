-- What is silent at the moment, by the database's clock: one row per worker, with the facts about the site in each.
--
-- YouTube is silent since the first of its newest calls that brought no answer. A call that is still open counts if the
-- attempt that made it runs and its worker is alive: one that was killed recorded no results. An answer from something in
-- between (reasons like http302) is not YouTube's. A call that its own process broke off ("aborted") says nothing.
WITH worker AS (
    SELECT name, is_scheduler, queues, heartbeat_at,
           CASE WHEN heartbeat_at <= statement_timestamp() - make_interval(secs => %(silence)s) THEN 'silent'
                WHEN failing_since IS NOT NULL THEN 'failing'
                WHEN stopping_at IS NOT NULL THEN 'stopping'
                ELSE 'alive' END AS state
      FROM syncjobs_worker),
call AS (
    SELECT id, at,
           CASE WHEN seconds IS NULL THEN
                     CASE WHEN EXISTS (SELECT FROM syncjobs_attempt AS attempt JOIN worker ON worker.name = attempt.worker
                                        WHERE attempt.job_id = recent.job_id AND attempt.outcome = 'RUNNING'
                                          AND attempt.started_at <= recent.at
                                          AND heartbeat_at > statement_timestamp() - interval '8 seconds')
                          THEN 'open' END
                WHEN reason = 'aborted' THEN NULL
                WHEN reason = '' OR (http_status BETWEEN 400 AND 499 AND reason NOT LIKE 'http%%') THEN 'answered'
                ELSE 'failed' END AS result
      FROM (SELECT * FROM syncjobs_quotacall ORDER BY id DESC LIMIT 100) AS recent
     WHERE at > statement_timestamp() - interval '1 day')
SELECT statement_timestamp(),
       ARRAY(SELECT queue.name::text FROM syncjobs_queue AS queue
              WHERE NOT EXISTS (SELECT FROM worker WHERE queue.name = ANY (queues) AND state IN ('alive', 'stopping'))
                AND ((paused_at IS NULL AND EXISTS (
                          SELECT FROM syncjobs_syncjob AS job
                           WHERE job.queue = queue.name AND status = 'QUEUED' AND run_at <= statement_timestamp()))
                     OR EXISTS (SELECT FROM syncjobs_syncjob AS job
                                 WHERE job.queue = queue.name AND status = 'IN_PROGRESS'))
              ORDER BY queue.name),
       NOT EXISTS (SELECT FROM worker WHERE is_scheduler AND state = 'alive')
           AND EXISTS (SELECT FROM django_celery_beat_periodictask WHERE enabled AND task = %(task)s),
       (SELECT min(at) FROM call
         WHERE result IN ('open', 'failed')
           AND id > (SELECT coalesce(max(id), 0) FROM call WHERE result = 'answered')),
       worker.name, worker.is_scheduler, worker.queues, worker.state, worker.heartbeat_at
  FROM (VALUES (1)) AS site LEFT JOIN worker ON true
 ORDER BY worker.name
