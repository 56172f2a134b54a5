-- Report a worker or a scheduler alive. Return the database's time, and whether the worker reconciles the site.
--
-- The worker that reconciles is the live one that started first. One that is stopping, or that could not reach the
-- broker within the last minute, comes after all others. Several may believe that it is them for some seconds.
INSERT INTO syncjobs_worker AS me (name, process_id, queues, concurrency, is_scheduler, clock_skew,
                                   heartbeat_at, failing_since, broker_failed_at)
VALUES (%(name)s, %(process_id)s, %(queues)s, %(concurrency)s, %(is_scheduler)s, %(clock_skew)s,
        statement_timestamp(),
        CASE WHEN %(is_failing)s THEN statement_timestamp() END,
        CASE WHEN %(broker_failed)s THEN statement_timestamp() END)
ON CONFLICT (name) DO UPDATE SET
    clock_skew = EXCLUDED.clock_skew,
    heartbeat_at = EXCLUDED.heartbeat_at,
    failing_since = CASE WHEN %(is_failing)s THEN coalesce(me.failing_since, EXCLUDED.failing_since) END,
    broker_failed_at = coalesce(EXCLUDED.broker_failed_at, me.broker_failed_at)
RETURNING statement_timestamp(), NOT is_scheduler AND NOT EXISTS (
    SELECT FROM syncjobs_worker AS other
     WHERE other.name <> me.name AND NOT other.is_scheduler
       AND other.heartbeat_at > statement_timestamp() - make_interval(secs => %(silence)s)
       AND (other.stopping_at IS NOT NULL,
            coalesce(other.broker_failed_at > statement_timestamp() - interval '1 minute', false),
            other.started_at, other.name)
         < (me.stopping_at IS NOT NULL,
            coalesce(me.broker_failed_at > statement_timestamp() - interval '1 minute', false),
            me.started_at, me.name))
