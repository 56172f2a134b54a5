-- What is silent at the moment, by the database's clock, how many alerts there are, and the position in the stream of
-- changes: one row per worker, with the facts about the site in each.
--
-- YouTube is silent if a run of calls since its last answer brought no answer for long. A run lasts from its first call to
-- the end of its last one: time in which nothing was asked is no silence, and a longer pause begins a new run. A call that
-- is still open counts if the attempt that made it runs and its worker is alive: one that was killed recorded no results.
-- An error in YouTube's own format is an answer, a 503 too; one from something in between (reasons like http302) is not.
-- A call that its own process broke off ("aborted") says nothing.
WITH worker AS (
    SELECT name, is_scheduler, queues, heartbeat_at,
           CASE WHEN heartbeat_at <= statement_timestamp() - make_interval(secs => %(silence)s) THEN 'silent'
                WHEN failing_since IS NOT NULL THEN 'failing'
                WHEN stopping_at IS NOT NULL THEN 'stopping'
                ELSE 'alive' END AS state
      FROM syncjobs_worker),
call AS (
    SELECT id, at, coalesce(at + make_interval(secs => seconds), statement_timestamp()) AS ended_at,
           CASE WHEN seconds IS NULL THEN
                     CASE WHEN EXISTS (SELECT FROM syncjobs_attempt AS attempt JOIN worker ON worker.name = attempt.worker
                                        WHERE attempt.job_id = recent.job_id AND attempt.outcome = 'RUNNING'
                                          AND attempt.started_at <= recent.at
                                          AND heartbeat_at > statement_timestamp() - interval '8 seconds')
                          THEN 'open' END
                WHEN reason = 'aborted' THEN NULL
                WHEN reason = '' OR (http_status BETWEEN 400 AND 599 AND reason NOT LIKE 'http%%') THEN 'answered'
                ELSE 'failed' END AS result
      FROM (SELECT * FROM syncjobs_quotacall ORDER BY id DESC LIMIT 100) AS recent
     WHERE at > statement_timestamp() - interval '1 day'),
unanswered AS (
    SELECT *, max(ended_at) OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS previous
      FROM call
     WHERE result IN ('open', 'failed')
       AND id > (SELECT coalesce(max(id), 0) FROM call WHERE result = 'answered')),
run AS (
    SELECT min(at) AS since, max(ended_at) - min(at) >= make_interval(secs => %(youtube_silence)s) AS is_silent
      FROM (SELECT *, count(*) FILTER (WHERE at > previous + make_interval(secs => %(youtube_pause)s)) OVER (ORDER BY id) AS number
              FROM unanswered) AS numbered
     GROUP BY number),
youtube AS (
    SELECT since, is_silent FROM run
     ORDER BY is_silent DESC, CASE WHEN is_silent THEN since END, since DESC LIMIT 1),
alert AS (
    SELECT count(*) FILTER (WHERE needs_attention) AS attention,
           count(*) FILTER (WHERE needs_attention AND severity = 'CRITICAL') AS critical,
           concat_ws(' ', count(*), count(*) FILTER (WHERE needs_attention), max(changed_at)) AS version
      FROM (SELECT *, (acknowledged_at IS NULL OR acknowledged_at < escalated_at)
                      AND (snoozed_until IS NULL OR snoozed_until <= statement_timestamp()) AS needs_attention
              FROM syncjobs_alert WHERE resolved_at IS NULL) AS unresolved)
SELECT ARRAY(SELECT queue.name::text FROM syncjobs_queue AS queue
              WHERE NOT EXISTS (SELECT FROM worker WHERE queue.name = ANY (queues) AND state IN ('alive', 'stopping'))
                AND ((paused_at IS NULL AND EXISTS (
                          SELECT FROM syncjobs_syncjob AS job
                           WHERE job.queue = queue.name AND status = 'QUEUED' AND run_at <= statement_timestamp()
                             AND (band_id IS NULL
                                  OR band_id NOT IN (SELECT id FROM bands_band WHERE paused_at IS NOT NULL))))
                     OR EXISTS (SELECT FROM syncjobs_syncjob AS job
                                 WHERE job.queue = queue.name AND status = 'IN_PROGRESS'))
              ORDER BY queue.name),
       NOT EXISTS (SELECT FROM worker WHERE is_scheduler AND state = 'alive')
           AND EXISTS (SELECT FROM django_celery_beat_periodictask WHERE enabled AND task = %(task)s),
       (SELECT since FROM youtube WHERE is_silent),
       (SELECT since + make_interval(secs => %(youtube_silence)s) FROM youtube),
       (SELECT min(ended_at) FROM syncjobs_alertround
         WHERE ended_at < statement_timestamp() - make_interval(secs => %(late_round)s)),
       EXISTS (SELECT FROM syncjobs_alertround WHERE ended_at IS NOT NULL),
       alert.attention, alert.critical, alert.version, pg_current_snapshot()::text,
       worker.name, worker.is_scheduler, worker.queues, worker.state, worker.heartbeat_at
  FROM alert LEFT JOIN worker ON true
 ORDER BY worker.name
