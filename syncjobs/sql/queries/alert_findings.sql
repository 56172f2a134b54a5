-- The findings of the rules that one statement can answer: rule, type, id and label of the subject, severity, and facts.
--
-- The parameter of each rule is its threshold, or NULL if it is switched off; a comparison with NULL finds nothing.
-- Every branch reads an index or a small table, and returns a limited number of rows, so the size of the history makes no
-- difference. Facts don't change while a condition lasts, so that an alert is not rewritten in each round.
WITH clock AS (SELECT statement_timestamp() AS now),
served AS (
    SELECT DISTINCT unnest(queues) AS queue FROM syncjobs_worker, clock
     WHERE heartbeat_at > now - make_interval(secs => %(silence)s) AND failing_since IS NULL AND NOT is_scheduler),
waiting AS MATERIALIZED (
    SELECT delay_reason, count(*) AS n FROM syncjobs_syncjob, clock
     WHERE status = 'QUEUED' AND run_at > now AND delay_reason = ANY (%(quota_reasons)s) GROUP BY 1),
ended AS MATERIALIZED (
    SELECT count(*) AS n, count(*) FILTER (WHERE status = 'FAILED') AS failed FROM syncjobs_syncjob, clock
     WHERE status IN ('COMPLETED', 'FAILED') AND job_type = ANY (%(job_types)s) AND completed_at > now - interval '1 hour'
       AND %(failure_rate)s::float8 IS NOT NULL),
failing AS (
    SELECT id, name, consecutive_failures, failing_since FROM bands_band
     WHERE is_active AND consecutive_failures >= %(band_failing)s::float8
     ORDER BY consecutive_failures DESC, id LIMIT %(most)s),
-- Errors that were retried count for nothing: neither do they bring a group back, nor do they make its alert last.
recent AS MATERIALIZED (
    SELECT fingerprint, sample, reason, is_permanent, first_seen_at, final_at, acknowledged_at, band_count,
           syncjobs_error_state_v1(acknowledged_at, resolved_at, ignored_until, final_at, now) AS state,
           EXISTS (SELECT FROM syncjobs_alert AS alert WHERE subject_type = 'error' AND subject_id = fingerprint
                      AND resolved_at < final_at) AS was_over,
           EXISTS (SELECT FROM syncjobs_alert AS alert WHERE subject_type = 'error' AND subject_id = fingerprint
                      AND resolved_at IS NULL) AS is_open
      FROM syncjobs_errorgroup AS known, clock, LATERAL (SELECT coalesce(last_final_at, last_seen_at) AS final_at) AS final
     WHERE last_seen_at > now - greatest(%(new_error)s::float8, %(error_back)s::float8) * interval '1 hour'
     ORDER BY last_seen_at DESC LIMIT %(most)s),
-- A group whose newest errors were all retried concerns nobody yet. The message of the group has placeholders for names and
-- numbers, so one of the errors stands for the others; it is the same in each round while they have the same messages.
serious AS MATERIALIZED (
    SELECT fingerprint, left(coalesce(newest.message, sample), 200) AS message, reason, is_permanent, first_seen_at,
           final_at, acknowledged_at, state, was_over, is_open,
           jsonb_build_object('reason', reason, 'permanent', is_permanent, 'message', coalesce(newest.message, sample),
                              'alike', coalesce(has_several, false), 'band', newest.band,
                              'bands', greatest(band_count, newest.bands)) AS facts
      FROM recent,
           LATERAL (SELECT min(message) AS message, min(message) <> max(message) AS has_several,
                           bool_or(NOT will_retry) AS is_serious, min(band.name) AS band, count(DISTINCT band_id) AS bands
                      FROM (SELECT message, will_retry, band_id FROM syncjobs_joberror
                             WHERE group_id = fingerprint ORDER BY created_at DESC LIMIT 20) AS of_group
                           LEFT JOIN bands_band AS band ON band.id = band_id) AS newest
     WHERE is_open OR is_serious)

SELECT 'queue_paused' AS rule, 'queue' AS subject_type, name AS subject_id, name AS label, 'WARNING' AS severity,
       jsonb_build_object('since', paused_at, 'by', paused_by, 'reason', pause_reason) AS facts
  FROM syncjobs_queue, clock
 WHERE paused_at <= now - %(queue_paused)s::float8 * interval '1 minute'
   AND NOT (paused_by = %(system)s AND pause_reason LIKE %(key_refused)s)
UNION ALL
SELECT 'key_refused', 'site', '', '', 'CRITICAL', jsonb_build_object('reason', min(pause_reason), 'since', min(paused_at))
  FROM syncjobs_queue
 WHERE paused_at IS NOT NULL AND paused_by = %(system)s AND pause_reason LIKE %(key_refused)s
HAVING count(*) > 0
UNION ALL
-- A queue without a worker has an alert of its own.
SELECT 'old_job', 'queue', name, name, 'WARNING', jsonb_build_object('since', oldest.run_at)
  FROM syncjobs_queue, clock,
       LATERAL (SELECT min(run_at) AS run_at FROM syncjobs_syncjob
                 WHERE queue = name AND status = 'QUEUED' AND run_at <= now
                   AND (band_id IS NULL OR band_id NOT IN (SELECT id FROM bands_band WHERE paused_at IS NOT NULL))) AS oldest
 WHERE paused_at IS NULL AND name IN (SELECT queue FROM served)
   AND oldest.run_at <= now - %(old_job)s::float8 * interval '1 minute'
UNION ALL
(SELECT 'band_paused', 'band', id::text, name, 'WARNING',
        jsonb_build_object('since', paused_at, 'by', paused_by, 'reason', pause_reason)
   FROM bands_band, clock
  WHERE paused_at <= now - %(band_paused)s::float8 * interval '1 hour'
  ORDER BY id LIMIT %(most)s)
UNION ALL
SELECT 'clock_skew', 'worker', name, name, 'WARNING', jsonb_build_object('seconds', round(clock_skew))
  FROM syncjobs_worker, clock
 WHERE abs(clock_skew) > %(clock_skew)s::float8 AND heartbeat_at > now - make_interval(secs => %(silence)s)
UNION ALL
SELECT 'band_failing', 'band', failing.id::text, failing.name, 'WARNING',
       jsonb_build_object('failures', consecutive_failures, 'since', failing_since, 'reason', error.reason,
                          'group', error.fingerprint, 'error', left(error.message, 200))
  FROM failing
  LEFT JOIN LATERAL (
       SELECT job.id
         FROM unnest(%(band_types)s::text[]) AS kind (job_type),
              LATERAL (SELECT id, completed_at FROM syncjobs_syncjob
                        WHERE band_id = failing.id AND status = 'FAILED' AND job_type = kind.job_type
                        ORDER BY completed_at DESC LIMIT 1) AS job
        ORDER BY job.completed_at DESC LIMIT 1) AS job ON true
  LEFT JOIN LATERAL (
       SELECT fingerprint, known.reason, e.message
         FROM syncjobs_joberror AS e JOIN syncjobs_errorgroup AS known ON fingerprint = group_id
        WHERE e.job_id = job.id ORDER BY e.id DESC LIMIT 1) AS error ON true
UNION ALL
(SELECT 'band_stale', 'band', id::text, name, 'WARNING',
        jsonb_build_object('since', greatest(last_full_sync_at, last_incremental_sync_at),
                           'channel_since', channel_changed_at, 'added_at', created_at)
   FROM bands_band, clock
  WHERE is_active AND paused_at IS NULL AND (channel_id <> '' OR channel_reference <> '')
    AND %(band_stale)s::float8 IS NOT NULL
    AND (greatest(coalesce(greatest(last_full_sync_at, last_incremental_sync_at), created_at), channel_changed_at, resumed_at)
         <= now - %(band_stale)s::float8 * interval '1 hour'
         -- Another channel alone does not end the alert: the first sync of it does.
         OR (last_full_sync_at IS NULL AND last_incremental_sync_at IS NULL
             AND id::text IN (SELECT subject_id FROM syncjobs_alert WHERE rule = 'band_stale' AND resolved_at IS NULL)))
  ORDER BY id LIMIT %(most)s)
UNION ALL
-- In steps of ten, so that the fact does not change with every job.
SELECT 'failure_rate', 'site', '', '', CASE WHEN failed >= 0.8 * n THEN 'CRITICAL' ELSE 'WARNING' END,
       jsonb_build_object('percent', greatest(floor(10.0 * failed / n)::int * 10, %(failure_rate)s::float8::int))
  FROM ended WHERE n >= %(least_ended)s AND 100.0 * failed >= %(failure_rate)s::float8 * n
UNION ALL
SELECT 'new_error', 'error', fingerprint, message, 'WARNING', facts || jsonb_build_object('since', first_seen_at)
  FROM serious, clock
 WHERE state = 'open' AND acknowledged_at IS NULL AND NOT was_over
   AND final_at > now - %(new_error)s::float8 * interval '1 hour'
   AND (is_open OR first_seen_at > now - %(new_error)s::float8 * interval '1 hour')
UNION ALL
SELECT 'error_back', 'error', fingerprint, message, 'WARNING',
       facts || jsonb_build_object('was_resolved', state = 'regressed')
  FROM serious, clock
 WHERE final_at > now - %(error_back)s::float8 * interval '1 hour'
   AND (state = 'regressed' OR state = 'open' AND (acknowledged_at IS NOT NULL OR was_over))
UNION ALL
SELECT 'quota_exhausted', 'bucket', b.bucket, b.bucket,
       CASE WHEN closed_at IS NOT NULL OR used >= b.quota THEN 'CRITICAL' ELSE 'WARNING' END,
       jsonb_build_object('until', %(resets_at)s::timestamptz, 'jobs', coalesce(waiting.n, 0), 'since', closed_at)
  FROM unnest(%(buckets)s::text[], %(quotas)s::int[], %(quota_reasons)s::text[]) AS b (bucket, quota, delay_reason)
  LEFT JOIN syncjobs_quotaday AS used_up ON used_up.bucket = b.bucket AND day = %(day)s
  LEFT JOIN waiting ON waiting.delay_reason = b.delay_reason
 WHERE %(quota_exhausted)s AND (closed_at IS NOT NULL OR used >= b.quota OR waiting.n > 0)
UNION ALL
SELECT 'deliveries_failing', 'channel', channel.id::text, channel.name, 'WARNING', '{}'::jsonb
  FROM syncjobs_alertchannel AS channel, clock
 WHERE is_enabled
   AND (EXISTS (SELECT FROM syncjobs_alertdelivery AS tried
                 WHERE channel_id = channel.id AND state = 'PENDING' AND problem <> '' AND kind = 'ALERTS'
                   AND attempts_made >= %(deliveries_failing)s::float8)
        OR EXISTS (SELECT FROM (SELECT state, ended_at FROM syncjobs_alertdelivery AS ended
                                 WHERE channel_id = channel.id AND kind = 'ALERTS' AND state IN ('DELIVERED', 'FAILED')
                                 ORDER BY id DESC LIMIT 1) AS newest
                    WHERE state = 'FAILED' AND ended_at > now - interval '1 day'
                      AND %(deliveries_failing)s::float8 IS NOT NULL))
UNION ALL
-- New bands are subscribed one after the other. A subscription is silent if a video came by another way first.
SELECT 'push_off', 'site', '', '', 'WARNING',
       jsonb_build_object('percent', greatest(floor(10.0 * off / n)::int * 10, %(push_off)s::float8::int),
                          'problem', coalesce((SELECT problem FROM syncjobs_hubstate WHERE failing_since IS NOT NULL), ''))
  FROM (SELECT count(*) AS n,
               count(*) FILTER (WHERE NOT coalesce(state = 'VERIFIED' AND lease_ends_at > now
                                                   AND (trusted_at IS NOT NULL OR trust_lost_at IS NULL), false)) AS off
          FROM syncjobs_subscription, clock
         WHERE state <> 'ENDING' AND created_at <= now - interval '1 hour') AS subscribed
 WHERE %(push_is_on)s AND n > 0 AND 100.0 * off >= %(push_off)s::float8 * n
UNION ALL
SELECT 'videos_late', 'site', '', '', 'WARNING',
       jsonb_build_object('minutes', greatest(floor(p95 / 600)::int * 10, %(videos_late)s::float8::int))
  FROM (SELECT count(*) AS n, percentile_cont(0.95) WITHIN GROUP (ORDER BY seconds) AS p95
          FROM (SELECT extract(epoch FROM v.created_at - v.published_at)::float8 AS seconds
                  FROM bands_video AS v JOIN syncjobs_channelfeed AS f ON f.band_id = v.band_id AND f.channel_id = v.channel_id
                       JOIN bands_band AS band ON band.id = v.band_id,
                       clock
                 WHERE v.noticed_by <> '' AND v.noticed_by <> 'person'
                   AND v.created_at - v.published_at < interval '30 days' AND v.created_at > now - interval '1 day'
                   AND v.published_at >= f.watched_since AND %(videos_late)s::float8 IS NOT NULL
                   AND coalesce(band.resumed_at NOT BETWEEN v.published_at AND v.created_at, true)
                 ORDER BY v.created_at DESC LIMIT %(most_fresh)s) AS newest) AS fresh
 WHERE n >= %(least_fresh)s AND p95 >= %(videos_late)s::float8 * 60
UNION ALL
SELECT 'database_degraded', 'service', 'connections', 'PostgreSQL', 'CRITICAL',
       jsonb_build_object('problem', 'connections', 'percent', %(database_degraded)s::float8::int, 'limit', quota)
  FROM (SELECT sum(numbackends) AS used, current_setting('max_connections')::int AS quota FROM pg_stat_database) AS server
 WHERE 100 * used >= %(database_degraded)s::float8 * quota
UNION ALL
SELECT 'database_degraded', 'service', 'transaction', 'PostgreSQL', 'WARNING',
       jsonb_build_object('problem', 'transaction', 'since', min(xact_start))
  FROM pg_stat_activity, clock
 WHERE %(database_degraded)s::float8 IS NOT NULL AND datname = current_database() AND backend_type = 'client backend'
   AND pid <> pg_backend_pid() AND xact_start <= now - interval '1 hour'
HAVING count(*) > 0
