-- The state of an error group: what people have decided about it, and whether an error has occurred since then. Callers pass
-- the time of the last error after which no retry followed as last_seen_at: one that a retry healed undoes no decision.
--
-- Errors and decisions lock the row of their group and take the time while they have it, so the order of the times is the order
-- in which they happened: engine/errors.py and operations/errors.py.
CREATE OR REPLACE FUNCTION syncjobs_error_state_v1(
    acknowledged_at timestamptz, resolved_at timestamptz, ignored_until timestamptz, last_seen_at timestamptz, now timestamptz
) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN last_seen_at > resolved_at THEN 'regressed'
                WHEN resolved_at IS NOT NULL THEN 'resolved'
                WHEN ignored_until > now THEN 'ignored'
                WHEN acknowledged_at >= last_seen_at THEN 'acknowledged'
                ELSE 'open' END
$$;
